//! A bot in sixty lines: just enough of one to measure the peer with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use picoclaw_peer::client::Client;
use serde_json::{Value, json};

/// Attempts of one call.
const TRIES: usize = 12;

/// A running bot; ends when dropped.
pub struct Bot {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bot {
    /// Answers what comes at `base`; `stream` asks the model for an event stream.
    pub fn start(base: &str, ca: Option<&Path>) -> Bot {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, base, ca) = (stop.clone(), base.to_owned(), ca.map(PathBuf::from));
        let thread = std::thread::spawn(move || run(&stopped, &base, ca.as_deref()));
        Bot { stop, thread: Some(thread) }
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok(), "the bot failed");
        }
    }
}

fn run(stop: &AtomicBool, base: &str, ca: Option<&Path>) {
    let mut polls = Client::new(base, ca).expect("a client");
    polls.timeout = Some(Duration::from_secs(3));
    let mut calls = Client::new(base, ca).expect("a client");
    calls.timeout = Some(Duration::from_secs(1));
    let mut offset = 0;
    while !stop.load(Ordering::Relaxed) {
        let question = json!({ "offset": offset, "timeout": 1 });
        let updates = call(&mut polls, "/bot1:test/getUpdates", &question, 1);
        for update in updates["result"].as_array().into_iter().flatten() {
            offset = update["update_id"].as_i64().expect("a number") + 1;
            answer(&mut calls, &update["message"]);
        }
    }
}

fn answer(calls: &mut Client, message: &Value) {
    let schema = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
    let tool =
        json!({ "type": "function", "function": { "name": "list_dir", "parameters": schema } });
    let mut history = vec![json!({ "role": "user", "content": message["text"] })];
    for _ in 0..5 {
        let request = json!({ "model": "m", "messages": history, "tools": [tool] });
        let reply = call(calls, "/v1/chat/completions", &request, TRIES);
        let said = reply["choices"][0]["message"].clone();
        if let Some(call) = said["tool_calls"].get(0) {
            let result = json!({ "role": "tool", "tool_call_id": call["id"], "content": "a\nb" });
            history.extend([said, result]);
            continue;
        }
        let text = json!({ "chat_id": message["chat"]["id"], "text": said["content"] });
        call(calls, "/bot1:test/sendMessage", &text, TRIES);
        return;
    }
}

/// Calls until there is a good answer; null when there is none after `tries`.
fn call(client: &mut Client, path: &str, body: &Value, tries: usize) -> Value {
    for _ in 0..tries {
        match client.post(path, "Authorization: Bearer k\r\n", body) {
            Ok((200, body)) => match serde_json::from_slice(&body) {
                Ok(value) => return value,
                Err(_) => continue,
            },
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    Value::Null
}
