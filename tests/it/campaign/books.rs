//! The counts of a campaign, and whether they keep the promises.

use std::collections::BTreeMap;

use serde_json::Value;

use super::REPEATED;

/// The counts of a campaign.
#[derive(Default)]
pub struct Books {
    pub messages: u64,
    /// Neither answered nor told why.
    pub lost: u64,
    /// Told why there is no answer.
    pub excused: u64,
    pub repeated: u64,
    /// Of these, the ones whose acceptance the daemon had been told of.
    pub repeated_known: u64,
    pub effects: u64,
    pub effects_repeated: u64,
    pub files_damaged: u64,
    pub kills: u64,
    /// What came, and later than it should.
    pub late: u64,
    /// The slowest of what has a limit, in milliseconds.
    pub slowest_ms: u64,
    /// What only this campaign counts.
    pub more: BTreeMap<&'static str, u64>,
    /// What to look at when a promise was broken.
    pub complaints: Vec<String>,
    /// What was done, in order; printed when a promise was broken.
    pub plan: Vec<String>,
    /// Is the share of repeated replies part of the promise?
    pub rate: bool,
}

impl Books {
    /// Both together.
    pub fn and(mut self, other: Books) -> Books {
        self.messages += other.messages;
        self.lost += other.lost;
        self.excused += other.excused;
        self.repeated += other.repeated;
        self.repeated_known += other.repeated_known;
        self.effects += other.effects;
        self.effects_repeated += other.effects_repeated;
        self.files_damaged += other.files_damaged;
        self.kills += other.kills;
        self.late += other.late;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
        self.plan.extend(other.plan);
        self.rate |= other.rate;
        self.complaints.extend(other.complaints);
        other.more.into_iter().for_each(|(name, n)| self.add(name, n));
        self
    }

    pub fn add(&mut self, name: &'static str, n: u64) {
        *self.more.entry(name).or_insert(0) += n;
    }

    pub fn write(&self, line: &mut Value) {
        let all = [
            ("messages", self.messages),
            ("lost", self.lost),
            ("told_why_not", self.excused),
            ("replies_repeated", self.repeated),
            ("replies_repeated_acceptance_unknown", self.repeated - self.repeated_known),
            ("side_effects", self.effects),
            ("side_effects_repeated", self.effects_repeated),
            ("files_damaged", self.files_damaged),
            ("kills", self.kills),
            ("late", self.late),
            ("slowest_ms", self.slowest_ms),
        ];
        for (name, n) in all.into_iter().chain(self.more.iter().map(|(k, v)| (*k, *v))) {
            line[name] = n.into();
        }
    }

    /// Fails when a promise was broken.
    #[track_caller]
    pub fn judge(&self, line: &Value) {
        let wrong = self.lost + self.repeated_known + self.effects_repeated;
        let broken = wrong + self.files_damaged + self.late > 0;
        let [plan, complaints] = [&self.plan, &self.complaints].map(|lines| lines.join("\n"));
        assert!(!broken, "{line}\nthe plan:\n{plan}\n{complaints}");
        // Of few messages one is already too large a share.
        let often = self.rate && self.messages >= 10 * REPEATED;
        assert!(!often || self.repeated * REPEATED <= self.messages, "too often: {line}");
    }
}
