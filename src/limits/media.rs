//! Bounds of files that come with messages and of those that go out.

use std::time::Duration;

/// Bytes of a file that the bot downloads (Bot API: getFile serves up to 20 MB).
pub const TELEGRAM_FILE_BYTES: u64 = 20 * 1024 * 1024;
/// Guessed tokens of a picture (behaviour.md 3B.2).
pub const MEDIA_TOKENS: usize = 256;
/// Bytes of a file that is sent which are read at a time; as base64 4 kB more. A multiple of 12, so that nothing is padded but
/// the end.
pub const UPLOAD_READ_BYTES: usize = 12 * 1024;
/// Pictures of one turn that a model is shown; the oldest are left out. Each is an open file while the turn runs.
pub const PICTURES: usize = 4;
/// Bytes of one of them, unless `agents.defaults.max_media_size` says otherwise (upstream's 20 MiB).
pub const PICTURE_BYTES: u32 = 20 * 1024 * 1024;
/// Bytes of all files that came with messages and are kept; the oldest go first.
pub const MEDIA_FOLDER_BYTES: u64 = 64 * 1024 * 1024;
/// How long one file may take to come, all tries together.
pub const MEDIA_FETCH: Duration = Duration::from_secs(180);
/// Silence after which a download is tried again.
pub const MEDIA_FETCH_IDLE: Duration = Duration::from_secs(20);
/// Tries of one download.
pub const MEDIA_FETCH_TRIES: u32 = 3;
/// Bytes of a download that are written at a time.
pub const MEDIA_WRITE_BYTES: usize = 16 * 1024;
/// Waiting for the text of a voice message (upstream's 60 s), each try.
pub const VOICE_TIMEOUT: Duration = Duration::from_secs(60);
/// Tries, where the server has trouble.
pub const VOICE_TRIES: u32 = 2;
/// Bytes of a transcription server's answer; some send each word with its time.
pub const VOICE_ANSWER_BYTES: usize = 256 * 1024;
/// Characters of a voice message that reach the conversation: about twenty minutes of speech.
pub const VOICE_CHARS: usize = 16_000;
/// Bytes of a file that is sent (Bot API: uploads of up to 50 MB).
pub const SEND_FILE_BYTES: u64 = 50 * 1000 * 1000;
/// Tries to send a file.
pub const SEND_FILE_TRIES: u32 = 3;
/// The longest pause between two of them; a server that asks for more is an error for the model.
pub const SEND_FILE_PAUSE: Duration = Duration::from_secs(60);
/// Bytes of a photo as such (Bot API, sendPhoto); a larger one goes as a document.
pub const TELEGRAM_PHOTO_BYTES: u64 = 10 * 1000 * 1000;
/// Waiting for the answer to an upload, which the server hands on first.
pub const TELEGRAM_UPLOAD: Duration = Duration::from_secs(120);
