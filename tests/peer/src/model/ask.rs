//! A request as the fake model sees it, and which messages wait for its answer.

use serde_json::Value;

use crate::ledger::Marker;

/// One message of a request, as far as the model cares.
#[derive(Debug, Default)]
pub struct Turn {
    /// Written by the user, not a tool's result.
    pub user: bool,
    /// Holds the result of a tool.
    pub result: bool,
    /// Ids of the calls an assistant's message makes.
    pub calls: Vec<String>,
    pub text: String,
}

/// A request in neutral form.
#[derive(Debug, Default)]
pub struct Ask {
    pub turns: Vec<Turn>,
    /// Names and schemas on offer.
    pub tools: Vec<(String, Value)>,
    /// The caller insists on this tool.
    pub forced: Option<String>,
    pub stream: bool,
    pub model: String,
    /// Tokens of the request, roughly.
    pub tokens: usize,
}

impl Ask {
    /// Index of the message to answer, and its marker.
    pub fn question(&self) -> Option<(usize, Marker)> {
        let users = self.turns.iter().enumerate().rev().filter(|(_, t)| t.user);
        users.filter_map(|(i, t)| Some((i, Marker::last_in(&t.text)?))).next()
    }

    /// Markers before the question at `at` that wait for the same answer: it came between tool rounds, to steer them.
    pub fn steered(&self, at: usize) -> Vec<Marker> {
        let mut found = Vec::new();
        let mut from = at;
        // What was written one after the other steers together, or not at all.
        let begin = |at: usize| (0..at).rev().find(|i| !self.turns[*i].user);
        while let Some(before) = begin(from).filter(|i| self.turns[*i].result) {
            let users = self.turns[before + 1..from].iter();
            found.extend(users.rev().filter_map(|t| Marker::last_in(&t.text)));
            let answered = |t: &Turn| !t.user && !t.result && t.calls.is_empty();
            let first = self.turns[..before].iter().rposition(|t| t.user || answered(t));
            let Some(first) = first.filter(|i| self.turns[*i].user) else { break };
            found.extend(Marker::last_in(&self.turns[first].text));
            from = first;
        }
        found.reverse();
        found
    }
}
