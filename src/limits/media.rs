//! Limits of received and sent files.

use std::time::Duration;

/// Bytes of a downloaded file (Bot API: getFile serves up to 20 MB).
pub const TELEGRAM_FILE_BYTES: u64 = 20 * 1024 * 1024;
/// Estimated tokens of a picture (behaviour.md 3B.2).
pub const MEDIA_TOKENS: usize = 256;
/// Bytes read at a time from a file that is sent; as base64 4 kB more. A multiple of 12, so that only the end is
/// padded.
pub const UPLOAD_READ_BYTES: usize = 12 * 1024;
/// Pictures per turn for a model; the oldest are left out. Each is an open file while the turn runs.
pub const PICTURES: usize = 4;
/// Bytes of one of them, unless `agents.defaults.max_media_size` says otherwise (upstream's 20 MiB).
pub const PICTURE_BYTES: u32 = 20 * 1024 * 1024;
/// Bytes of all stored files from messages; the oldest are deleted first.
pub const MEDIA_FOLDER_BYTES: u64 = 64 * 1024 * 1024;
/// Time limit of one download, all tries together.
pub const MEDIA_FETCH: Duration = Duration::from_secs(180);
/// Silence after which a download is retried.
pub const MEDIA_FETCH_IDLE: Duration = Duration::from_secs(20);
/// Tries of one download.
pub const MEDIA_FETCH_TRIES: u32 = 3;
/// Bytes of a download written at a time.
pub const MEDIA_WRITE_BYTES: usize = 16 * 1024;
/// Timeout of a transcription (upstream's 60 s), per try.
pub const VOICE_TIMEOUT: Duration = Duration::from_secs(60);
/// Tries if the server has trouble.
pub const VOICE_TRIES: u32 = 2;
/// Bytes of a transcription server's answer; some send every word with its time.
pub const VOICE_ANSWER_BYTES: usize = 256 * 1024;
/// Characters of a transcript in the conversation: about twenty minutes of speech.
pub const VOICE_CHARS: usize = 16_000;
/// Bytes of a sent file (Bot API: uploads of up to 50 MB).
pub const SEND_FILE_BYTES: u64 = 50 * 1000 * 1000;
/// Tries to send a file.
pub const SEND_FILE_TRIES: u32 = 3;
/// The longest pause between two of them; if a server asks for more, the model gets an error.
pub const SEND_FILE_PAUSE: Duration = Duration::from_secs(60);
/// Bytes of a photo (Bot API, sendPhoto); a larger one is sent as a document.
pub const TELEGRAM_PHOTO_BYTES: u64 = 10 * 1000 * 1000;
/// Timeout of the answer to an upload, which the server forwards first.
pub const TELEGRAM_UPLOAD: Duration = Duration::from_secs(120);
