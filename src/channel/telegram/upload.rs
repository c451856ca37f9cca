//! Uploads files as a form that is streamed from the card.

use super::answer::{self, CallError};
use super::bot::Telegram;
use super::wire;
use crate::bus::{Address, Upload};
use crate::channel::SendError;
use crate::limits;
use crate::net::upload::MultipartForm;

const DOCUMENT: (&str, &str) = ("sendDocument", "document");

/// Method and field for a file, by its name; everything else is sent as a document.
fn method(name: &str, bytes: u64) -> (&'static str, &'static str) {
    let name = name.to_ascii_lowercase();
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "jpg" | "jpeg" | "png" | "webp" if bytes <= limits::TELEGRAM_PHOTO_BYTES => {
            ("sendPhoto", "photo")
        }
        "ogg" | "oga" if name.contains("voice") => ("sendVoice", "voice"),
        "mp3" | "m4a" => ("sendAudio", "audio"),
        "mp4" => ("sendVideo", "video"),
        _ => DOCUMENT,
    }
}

impl Telegram {
    pub(super) async fn send_upload(&self, to: &Address, upload: &Upload) -> Result<(), SendError> {
        let mut fields = vec![("chat_id", to.chat.as_str())];
        if !to.topic.is_empty() {
            fields.push(("message_thread_id", &to.topic));
        }
        let mut method = method(&upload.name, upload.bytes);
        loop {
            let turn = self.api.turn_within(&to.chat, limits::SEND_FILE_PAUSE).await;
            turn.map_err(SendError::RateLimited)?;
            let file = upload.file.clone();
            let form = MultipartForm::new(&fields, method.1, &upload.name, file, upload.bytes);
            let error = match self.api.post_form(method.0, &form).await {
                Ok(bytes) => match answer::message_id(&wire::text(&bytes)) {
                    Ok(_) => return Ok(()),
                    // A truncated success is a success.
                    Err(_) if bytes.starts_with(b"{\"ok\":true") => return Ok(()),
                    Err(e) => e,
                },
                Err(e) => e,
            };
            self.note_limit(&to.chat, &error);
            // Wrong dimensions or another format than its name says: it can still be sent as a document.
            if method != DOCUMENT && matches!(error, CallError::Refused(400, _)) {
                crate::log::info!("{}: {} goes as a document", self.name, upload.name);
                method = DOCUMENT;
                continue;
            }
            return Err(error.for_send(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, bytes: u64, want: &str) {
        assert_eq!(method(name, bytes).0, want, "{name}");
    }

    #[test]
    fn methods() {
        check("a.PNG", 5, "sendPhoto");
        check("a.jpeg", limits::TELEGRAM_PHOTO_BYTES + 1, "sendDocument");
        check("my_voice_1.ogg", 5, "sendVoice");
        check("song.ogg", 5, "sendDocument");
        check("song.mp3", 5, "sendAudio");
        check("film.mp4", 5, "sendVideo");
        check("a.tar.gz", 5, "sendDocument");
        check("png", 5, "sendDocument");
    }
}
