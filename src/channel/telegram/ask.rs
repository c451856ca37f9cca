//! Questions with two buttons (Bot API, InlineKeyboardMarkup, CallbackQuery), for the one user who may answer.
//!
//! Must never take an answer from anybody else, from another chat, or to a question that is no longer open.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use async_io::Timer;
use smol::channel::Sender;
use smol::future::or;

use super::answer;
use super::bot::{Telegram, entropy};
use super::inbound::ButtonPress;
use super::send::topic;
use super::wire::{self, JsonObject};
use crate::bus::{Address, Question, Verdict};
use crate::limits::{APPROVALS, QUESTION_PAUSE};
use crate::proto::text;

/// Prefix of our own buttons' data.
const MARK: &str = "ap:";

struct OpenQuestion {
    nonce: String,
    user: String,
    chat: String,
    text: String,
    /// Id of the message with the buttons; 0 until the server has answered.
    message: i64,
    answer: Sender<bool>,
}

/// The questions of one bot.
#[derive(Default)]
pub(super) struct OpenQuestions(RefCell<Vec<OpenQuestion>>);

/// The reaction to a press.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PressOutcome {
    /// Shown to the user who pressed.
    pub note: &'static str,
    /// Body of the editMessageText that removes the buttons.
    pub edit: Option<String>,
}

impl OpenQuestions {
    /// Hands the answer to the waiting call.
    pub fn press(&self, press: &ButtonPress) -> PressOutcome {
        let no = |note| PressOutcome { note, edit: None };
        let Some((nonce, word)) =
            press.data.strip_prefix(MARK).and_then(|rest| rest.split_once(':'))
        else {
            return no("This button is not active.");
        };
        let mut open = self.0.borrow_mut();
        let Some(at) = open.iter().position(|o| o.nonce == nonce) else {
            return no("This question is closed; it counted as no.");
        };
        let found = &open[at];
        if found.user != press.user.to_string() || found.chat != press.chat.to_string() {
            return no("This question is not for you.");
        }
        let yes = word == "y";
        let mut found = open.remove(at);
        if found.message == 0 {
            // The press overtook the server's answer to the question.
            found.message = press.message;
        }
        // Full or closed: the caller no longer waits, so nothing is done.
        let heard = found.answer.try_send(yes).is_ok();
        let note = match (heard, yes) {
            (true, true) => "Allowed.",
            (true, false) => "Refused.",
            (false, _) => "This question is closed; it counted as no.",
        };
        PressOutcome { note, edit: edit(&found, note) }
    }

    fn close(&self, nonce: &str) -> Option<OpenQuestion> {
        let mut open = self.0.borrow_mut();
        let at = open.iter().position(|o| o.nonce == nonce)?;
        Some(open.remove(at))
    }
}

/// The question with its outcome and without buttons.
fn edit(open: &OpenQuestion, outcome: &str) -> Option<String> {
    let text = format!("{}\n\n→ {outcome}", open.text);
    let body = JsonObject::new().chat(&open.chat).int("message_id", open.message);
    (open.message != 0).then(|| body.str("text", &text).end())
}

/// Withdraws the question when the waiting call is dropped (`/stop`, timeout).
struct Waiting<'a>(&'a OpenQuestions, String);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.close(&self.1);
    }
}

fn buttons(nonce: &str) -> String {
    let button = |text: &str, word: &str| {
        let data = [MARK, nonce, ":", word].concat();
        JsonObject::new().str("text", text).str("callback_data", &data).end()
    };
    let row = format!("[[{},{}]]", button("✅ Allow", "y"), button("❌ Refuse", "n"));
    JsonObject::new().raw("inline_keyboard", &row).end()
}

impl Telegram {
    /// Asks `user` in the chat `to`; `wait` ([`crate::limits::APPROVAL_WAIT`]) without an answer means no answer.
    pub(super) async fn question(
        &self,
        to: &Address,
        user: &str,
        question: &Question,
        wait: Duration,
    ) -> Verdict {
        let (Some(random), true) = (entropy(), self.asks.0.borrow().len() < APPROVALS) else {
            return Verdict::Unreachable;
        };
        let nonce = text::hex(&random);
        let (sender, answer) = smol::channel::bounded(1);
        self.asks.0.borrow_mut().push(OpenQuestion {
            nonce: nonce.clone(),
            user: user.into(),
            chat: to.chat.clone(),
            text: question.text.clone(),
            message: 0,
            answer: sender,
        });
        let waiting = Waiting(&self.asks, nonce);
        let deadline = Instant::now() + wait;
        let body = topic(JsonObject::new().chat(&to.chat), to).str("text", &question.text);
        let body = body.raw("reply_markup", &buttons(&waiting.1)).end();
        let answered = async {
            if !self.put(to, &body, &waiting.1, wait).await {
                return Verdict::Unreachable;
            }
            match answer.recv().await {
                Ok(true) => Verdict::Yes,
                _ => Verdict::No,
            }
        };
        let late = async {
            Timer::at(deadline).await;
            Verdict::TimedOut
        };
        let verdict = or(answered, late).await;
        if verdict == Verdict::TimedOut {
            if let Some(body) =
                self.asks.close(&waiting.1).and_then(|o| edit(&o, "No answer, so no."))
            {
                // Remaining buttons do no harm: when pressed, they say that the question is closed.
                let _ = self.api.call("editMessageText", &body).await;
            }
        }
        verdict
    }

    /// Sends the question, with retries while they may help; not to a chat that is paused for longer than `limit`.
    async fn put(&self, to: &Address, body: &str, nonce: &str, limit: Duration) -> bool {
        for attempt in 0u32.. {
            if let Err(wait) = self.api.turn_within(&to.chat, limit).await {
                crate::log::warn!("{}: no question for {} s to come", self.name, wait.as_secs());
                return false;
            }
            let sent = match self.api.call("sendMessage", body).await {
                Ok(bytes) => answer::message_id(&wire::text(&bytes)),
                Err(e) => Err(e),
            };
            let error = match sent {
                Ok(id) => {
                    let mut open = self.asks.0.borrow_mut();
                    if let Some(open) = open.iter_mut().find(|o| o.nonce == nonce) {
                        open.message = id;
                    }
                    return true;
                }
                Err(error) => {
                    self.note_limit(&to.chat, &error);
                    error.for_send(false)
                }
            };
            let Some(pause) = error.retry_in(attempt) else {
                crate::log::warn!("{}: a question was not sent: {error}", self.name);
                return false;
            };
            Timer::after(pause.max(QUESTION_PAUSE)).await;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Shared;
    use crate::config::channels::telegram::Settings;
    use crate::config::{ChannelConfig, Settings as AnySettings};

    fn asks() -> (OpenQuestions, smol::channel::Receiver<bool>) {
        let asks = OpenQuestions::default();
        let (answer, waits) = smol::channel::bounded(1);
        asks.0.borrow_mut().push(OpenQuestion {
            nonce: "00ff".into(),
            user: "7".into(),
            chat: "-5".into(),
            text: "Q".into(),
            message: 9,
            answer,
        });
        (asks, waits)
    }

    fn press(user: i64, chat: i64, data: &str) -> ButtonPress {
        ButtonPress { id: "c".into(), user, chat, message: 9, data: data.into() }
    }

    #[track_caller]
    fn ignored(user: i64, chat: i64, data: &str, note: &str) {
        let (asks, waits) = asks();
        assert_eq!(asks.press(&press(user, chat, data)).note, note);
        assert!(waits.try_recv().is_err(), "it counted");
        assert_eq!(asks.0.borrow().len(), 1);
    }

    #[test]
    fn only_the_one_who_was_asked_answers() {
        ignored(8, -5, "ap:00ff:y", "This question is not for you.");
        ignored(7, 7, "ap:00ff:y", "This question is not for you.");
        ignored(7, -5, "ap:00fe:y", "This question is closed; it counted as no.");
        ignored(7, -5, "00ff:y", "This button is not active.");
        ignored(7, -5, "", "This button is not active.");
    }

    #[test]
    fn the_answer_comes_once() {
        for (data, yes) in [("ap:00ff:y", true), ("ap:00ff:n", false), ("ap:00ff:Y", false)] {
            let (asks, waits) = asks();
            let reaction = asks.press(&press(7, -5, data));
            assert_eq!(waits.try_recv(), Ok(yes));
            assert!(reaction.edit.is_some_and(|e| e.contains("\"message_id\":9")));
            let again = asks.press(&press(7, -5, "ap:00ff:y"));
            assert_eq!(again.note, "This question is closed; it counted as no.");
        }
    }

    #[test]
    fn an_early_press_removes_the_buttons_too() {
        let (asks, waits) = asks();
        asks.0.borrow_mut()[0].message = 0;
        let reaction = asks.press(&press(7, -5, "ap:00ff:y"));
        assert_eq!(waits.try_recv(), Ok(true));
        assert!(reaction.edit.is_some_and(|e| e.contains("\"message_id\":9")));
    }

    #[test]
    fn a_press_after_the_asker_has_gone_counts_for_nothing() {
        let (asks, waits) = asks();
        drop(waits);
        let reaction = asks.press(&press(7, -5, "ap:00ff:y"));
        assert_eq!(reaction.note, "This question is closed; it counted as no.");
    }

    /// A Bot API on loopback that accepts every call and passes its name and body on.
    fn server() -> (String, std::sync::mpsc::Receiver<String>) {
        use std::io::{BufRead, BufReader, Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (told, calls) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.expect("a connection"));
                let (mut head, mut length) = (String::new(), 0);
                while reader.read_line(&mut head).expect("a line") > 2 {
                    if let Some((_, n)) = head.to_lowercase().rsplit_once("content-length: ") {
                        length = n.trim().parse().expect("a number");
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                let line = head.lines().next().unwrap_or_default();
                let _ = told.send(format!("{line} {}", String::from_utf8_lossy(&body)));
                let answer = r#"{"ok":true,"result":{"message_id":9,"chat":{"id":5}}}"#;
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
                let _ = write!(reader.get_mut(), "{head}{}\r\n\r\n{answer}", answer.len());
            }
        });
        (base, calls)
    }

    #[test]
    fn silence_is_no_and_takes_the_buttons_away() {
        assert_eq!(crate::limits::APPROVAL_WAIT, Duration::from_secs(300));
        let (base_url, calls) = server();
        let settings = Settings { base_url, ..Settings::default() };
        let client = crate::net::http::HttpClient::with(crate::net::http::Options::plain());
        let client = client.expect("a client");
        let shared = Shared { client, paired: Default::default() };
        let config = ChannelConfig::of("telegram", AnySettings::Telegram(settings.clone()));
        let bot = Telegram::build(&config, &settings, &shared);
        let to = Address { channel: "telegram".into(), chat: "5".into(), topic: String::new() };
        let asked = Question { number: 42, text: "Q?".into() };
        let verdict = smol::block_on(bot.question(&to, "7", &asked, Duration::from_secs(2)));
        assert_eq!(verdict, Verdict::TimedOut);
        let sent = calls.recv().expect("a question");
        assert!(sent.contains("/sendMessage") && sent.contains("inline_keyboard"), "{sent}");
        let edited = calls.recv().expect("an edit");
        assert!(edited.contains("/editMessageText") && edited.contains("so no"), "{edited}");
        assert!(!edited.contains("inline_keyboard"), "{edited}");
        // More than a few are not asked.
        let one = || bot.question(&to, "7", &asked, Duration::from_secs(60));
        let mut open: Vec<_> = (0..APPROVALS).map(|_| Box::pin(one())).collect();
        smol::block_on(async {
            for question in &mut open {
                assert!(smol::future::poll_once(question).await.is_none());
            }
            assert_eq!(one().await, Verdict::Unreachable);
        });
        drop(open);
        assert!(bot.asks.0.borrow().is_empty(), "who goes away takes the question along");
    }

    #[test]
    fn buttons_are_json_that_fits() {
        let text = buttons("0011223344556677");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let data = value["inline_keyboard"][0][0]["callback_data"].as_str().expect("data");
        assert!(data.len() <= 64, "Bot API, InlineKeyboardButton");
    }
}
