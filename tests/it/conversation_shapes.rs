//! Made-up conversations of many shapes, each gone on with: what a person said is in the request, or in what a summariser was
//! given.

use picoclaw::limits::{
    HISTORY_BYTES, HISTORY_MESSAGES, SESSION_LINE_BYTES, SESSION_READ_BYTES, SHORT_RESULT_BYTES,
    SUMMARY_PART_BYTES,
};
use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::harness::{Home, peer};

const KEY: &str = "cli:shape";

/// A session's file under construction. What its user says has marks at its beginning, middle and end.
#[derive(Default)]
struct Talk {
    lines: String,
    marks: Vec<String>,
    said: usize,
    calls: usize,
    meta: Option<Value>,
    /// Of the marks, how many were cleared away.
    cleared: usize,
}

impl Talk {
    fn line(mut self, line: &Value) -> Talk {
        self.lines.push_str(&line.to_string());
        self.lines.push('\n');
        self
    }

    fn user_of(mut self, bytes: usize, filler: &str) -> Talk {
        let marks: Vec<String> = (0..3).map(|n| format!("U{}.{n};", self.said)).collect();
        let half = filler.repeat(bytes / filler.len() / 2);
        let text = format!("{}{half}{}{half}{}", marks[0], marks[1], marks[2]);
        self.said += 1;
        self.marks.extend(marks);
        self.line(&json!({ "role": "user", "content": text }))
    }

    fn user(self, bytes: usize) -> Talk {
        self.user_of(bytes, "some words ")
    }

    fn answer(self, bytes: usize) -> Talk {
        let text = format!("answer{}", " and more".repeat(bytes / 9));
        self.line(&json!({ "role": "assistant", "content": text }))
    }

    /// An answer with `count` calls, and their results.
    fn calls(mut self, count: usize, bytes: usize) -> Talk {
        let first = self.calls;
        self.calls += count;
        let call = |n: usize| {
            let function = json!({ "name": "read_file", "arguments": "{\"path\":\"a\"}" });
            json!({ "id": format!("c{n}"), "type": "function", "function": function })
        };
        let all: Vec<Value> = (first..first + count).map(call).collect();
        self = self.line(&json!({ "role": "assistant", "content": "", "tool_calls": all }));
        let text = "result ".repeat(bytes / 7);
        (first..first + count).fold(self, |talk, n| {
            let id = format!("c{n}");
            talk.line(&json!({ "role": "tool", "content": text, "tool_call_id": id }))
        })
    }

    fn turns(self, count: usize, bytes: usize) -> Talk {
        (0..count).fold(self, |talk, _| talk.user(bytes).answer(bytes))
    }

    /// As `/clear` leaves it.
    fn clear(mut self) -> Talk {
        self.cleared = self.marks.len();
        let (lines, bytes) = (self.lines.matches('\n').count(), self.lines.len());
        self.meta = Some(json!({
            "key": KEY, "summary": "", "skip": lines, "count": lines, "skip_bytes": bytes,
        }));
        self
    }

    /// As a summary leaves it.
    fn summarised(mut self) -> Talk {
        self = self.clear();
        if let Some(meta) = &mut self.meta {
            meta["summary"] = json!("they spoke of bicycles");
        }
        self
    }
}

struct Shape {
    name: String,
    window: usize,
    talk: Talk,
}

fn shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    let new = Talk::default;
    let mut add = |edge: &str, name: &str, window, talk| {
        all.push(Shape { name: format!("{edge} {name}"), window, talk });
    };
    add("", "nothing before", 200_000, new());
    add("", "one short turn", 200_000, new().turns(1, 20));
    add("", "many short turns", 200_000, new().turns(200, 20));
    add("", "more short turns than 64 kB", 200_000, new().turns(1_000, 60));
    add("", "long turns", 200_000, new().turns(8, 20_000));
    add("", "longest messages", 200_000, new().turns(6, 32 * 1024));
    add("", "long turns, small window", 20_000, new().turns(8, 20_000));
    add("", "short turns, small window", 20_000, new().turns(300, 100));
    add("", "tiny window", 7_000, new().turns(20, 500));
    add(
        "",
        "one message larger than the window",
        7_000,
        new().turns(2, 30).user(32_000).answer(20),
    );
    add("", "two files read", 200_000, new().turns(5, 50).user(20).calls(2, 47_000).answer(20));
    add(
        "",
        "two files, small window",
        24_000,
        new().turns(5, 50).user(20).calls(2, 47_000).answer(9),
    );
    let files = (0..12).fold(new(), |t, _| t.user(40).calls(1, 47_000).answer(40));
    add("", "a file in every turn", 60_000, files);
    let files = (0..12).fold(new(), |t, _| t.user(40).calls(1, 47_000).answer(40));
    add("", "a file in every turn, small window", 16_000, files);
    add("", "parallel results", 200_000, new().turns(3, 50).user(20).calls(4, 40_000).answer(20));
    add(
        "",
        "many parallel results",
        200_000,
        new().turns(3, 50).user(9).calls(16, 45_000).answer(9),
    );
    let rounds = (0..50).fold(new().turns(3, 50).user(20), |t, _| t.calls(1, 5_000));
    add("", "many rounds", 200_000, rounds.answer(20));
    let rounds = (0..50).fold(new().turns(3, 50).user(20), |t, _| t.calls(3, 2_000));
    add("", "many tools, small window", 20_000, rounds.answer(20));
    let cjk = |t: Talk, n| (0..n).fold(t, |t, _| t.user_of(3_000, "敏捷的棕色狐狸").answer(300));
    add("", "CJK", 200_000, cjk(new(), 30));
    add("", "CJK, small window", 20_000, cjk(new(), 30));
    let emoji = (0..30).fold(new(), |t, _| t.user_of(2_000, "😀\"\\\n").answer(100));
    add("", "what JSON escapes", 20_000, emoji);
    let media = |t: Talk, n: usize| {
        let mut t = t.user_of(60, "[photo: media/a.jpg] ").answer(20);
        let line = json!({ "role": "user", "content": format!("M{n}; [photo: media/b.jpg]"),
            "media": ["media/b.jpg"] });
        t.marks.push(format!("M{n};"));
        t.line(&line).answer(20)
    };
    add("", "media marks", 20_000, (0..40).fold(new(), media));
    add("", "after /clear", 200_000, new().turns(50, 500).clear().turns(10, 500));
    add("", "all cleared", 200_000, new().turns(50, 500).clear());
    add("", "after a summary", 200_000, new().turns(50, 500).summarised().turns(10, 500));
    add(
        "",
        "after a summary, small window",
        9_000,
        new().turns(9, 500).summarised().turns(40, 500),
    );
    add("", "questions without answers", 20_000, (0..200).fold(new(), |t, _| t.user(300)));
    let stopped = new().turns(3, 50).user(20).calls(1, 100).user(30).answer(30);
    add("", "a turn that was stopped", 200_000, stopped);
    let call =
        json!({ "id": "x", "type": "function", "function": { "name": "f", "arguments": "" } });
    let torn =
        new().user(20).line(&json!({ "role": "assistant", "content": "", "tool_calls": [call] }));
    add("", "a call without a result", 200_000, torn.turns(3, 50));
    let torn = new().line(&json!({ "role": "tool", "content": "r", "tool_call_id": "y" }));
    add("", "a result without a call", 200_000, torn.turns(3, 50));
    let bad = |t: Talk| {
        let mut t = t.turns(30, 100);
        t.lines.push_str("not json\n\n{\"role\":\"user\",\"cont\n");
        t
    };
    add("", "damaged lines", 20_000, bad(bad(new())).turns(2, 50));
    for (more, edge) in ["below", "at", "above"].into_iter().enumerate() {
        let read = SESSION_READ_BYTES - 100 + 50 * more;
        let last = HISTORY_BYTES / 2 - 60 + 40 * more;
        add(edge, "a piece that is read", 60_000, new().turns(2, read).turns(1, last));
        let many = (HISTORY_MESSAGES - 2) / 2 + more;
        add(edge, "the most messages", 400_000, new().turns(many, 22));
        let result = SHORT_RESULT_BYTES - 7 + 7 * more;
        let short = (0..40).fold(new(), |t, _| t.user(40).calls(1, result).answer(40));
        add(edge, "a short result", 16_000, short);
        let part = SUMMARY_PART_BYTES / 2 - 400 + 400 * more;
        let parts = (0..2).fold(new(), |t, _| t.user(part / 2).answer(part));
        add(edge, "a summary's part", 30_000, parts.turns(3, 100));
        let line = SESSION_LINE_BYTES - 150 + 100 * more;
        let long = new().turns(2, 50).user(20).calls(1, line).answer(9).turns(2, 50);
        add(edge, "the longest line", 200_000, long);
    }
    all
}

/// Everything that a request's messages say.
fn spoken(request: &Value) -> String {
    let messages = request["messages"].as_array().expect("messages");
    messages.iter().filter_map(|m| m["content"].as_str()).fold(String::new(), |all, m| all + m)
}

fn is_summary(request: &Value) -> bool {
    request["messages"][0]["content"].as_str().is_some_and(|c| c.contains("You write summaries"))
}

/// Goes on with a conversation; what is wrong with it, whether it was summarised, and how much was sent at last.
fn go_on(peer: &Peer, shape: &Shape) -> (Vec<String>, bool, usize) {
    peer.reset();
    let patch = json!({ "agents": { "defaults": {
        "context_window": shape.window, "max_tokens": 500,
    } } });
    let home = Home::patched(peer, &patch);
    home.write("sessions/cli_shape.jsonl", &shape.talk.lines);
    if let Some(meta) = &shape.talk.meta {
        home.write("sessions/cli_shape.meta.json", &meta.to_string());
    }
    let mut wrong = Vec::new();
    for question in ["and now?", "what was that?", "go on"] {
        let done = home.run(&["agent", "-m", question, "-s", KEY]);
        if !done.status.success() || !done.stdout.contains("HEARTBEAT_OK") {
            wrong.push(done.all());
        }
    }
    wrong.extend(peer.refused());
    let requests = peer.requests();
    let summaries = requests.iter().filter(|r| is_summary(r));
    let summarised: String = summaries
        .map(|r| spoken(r).split_once("The conversation:\n").expect("a conversation").1.to_owned())
        .collect();
    let turns: Vec<String> = requests.iter().filter(|r| !is_summary(r)).map(spoken).collect();
    let last = turns.last().expect("a request");
    let (gone, said) = shape.talk.marks.split_at(shape.talk.cleared);
    let lost = said.iter().filter(|m| !last.contains(*m) && !summarised.contains(*m));
    wrong.extend(lost.map(|m| format!("{m} is lost")));
    let back = gone.iter().filter(|m| last.contains(*m) || summarised.contains(*m));
    wrong.extend(back.map(|m| format!("{m} was cleared")));
    wrong.truncate(5);
    if turns.len() != 3 {
        wrong.push(format!("{} requests", turns.len()));
    }
    let wrong = wrong.into_iter().map(|w| format!("{}: {w}", shape.name)).collect();
    (wrong, !summarised.is_empty(), last.len())
}

#[test]
fn user_messages_are_in_the_request_or_the_summary() {
    let peer = peer(false);
    let shapes = shapes();
    assert!(shapes.len() >= 40, "{}", shapes.len());
    let (mut wrong, mut summarised, mut longest) = (Vec::new(), 0, 0);
    for shape in &shapes {
        let (faults, summary, bytes) = go_on(&peer, shape);
        wrong.extend(faults);
        summarised += usize::from(summary);
        longest = longest.max(bytes);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Both ways are gone: summarised, and read from the card while it is sent.
    assert!(summarised >= 12 && longest > 8 * HISTORY_BYTES, "{summarised}, {longest}");
}
