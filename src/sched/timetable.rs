//! What is due next. The jobs themselves stay in their file: this has only a key and a time for each.

use super::job::{Due, Now};
use crate::limits::CRON_JOBS;

/// See the module; 24 bytes a job.
#[derive(Debug, Default)]
pub struct Timetable(Vec<(u64, Due)>);

impl Timetable {
    /// Adds a job, or changes its time; false if there is no room.
    pub fn set(&mut self, key: u64, due: Due) -> bool {
        let full = self.0.len() >= CRON_JOBS;
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some(slot) => slot.1 = due,
            None if full => return false,
            None => self.0.push((key, due)),
        }
        true
    }

    /// Removes a job, if it is there.
    pub fn remove(&mut self, key: u64) {
        self.0.retain(|(k, _)| *k != key);
    }

    /// When a job is due.
    pub fn get(&self, key: u64) -> Option<Due> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, due)| *due)
    }

    /// Jobs whose interval is running.
    pub fn intervals(&self) -> impl Iterator<Item = u64> {
        self.0.iter().filter(|(_, due)| matches!(due, Due::Mono(_))).map(|(k, _)| *k)
    }

    /// Keeps only the jobs for which `is_there` is true.
    pub fn retain(&mut self, is_there: impl Fn(u64) -> bool) {
        self.0.retain(|(k, _)| is_there(*k));
        self.0.shrink_to_fit();
    }

    /// The most overdue job, and since when. Wall-clock times wait until the clock can be trusted.
    pub fn due(&self, now: Now) -> Option<(u64, Due)> {
        let late = |due: &Due| match due {
            Due::Wall(at) if now.trusted => now.wall - at,
            Due::Wall(_) => -1,
            Due::Mono(at) => now.mono as i64 - *at as i64,
        };
        self.0.iter().filter(|(_, due)| late(due) >= 0).max_by_key(|(_, due)| late(due)).copied()
    }

    /// The next times of both clocks: unix second, monotonic second.
    pub fn next(&self) -> (Option<i64>, Option<u64>) {
        let wall = |due: &Due| if let Due::Wall(at) = due { Some(*at) } else { None };
        let mono = |due: &Due| if let Due::Mono(at) = due { Some(*at) } else { None };
        let dues = || self.0.iter().map(|(_, due)| due);
        (dues().filter_map(wall).min(), dues().filter_map(mono).min())
    }

    /// Number of waiting jobs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no job waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(wall: i64, trusted: bool, mono: u64) -> Now {
        Now { wall, trusted, mono }
    }

    #[test]
    fn the_longest_overdue_comes_first() {
        let mut table = Timetable::default();
        table.set(1, Due::Wall(100));
        table.set(2, Due::Wall(50));
        table.set(3, Due::Mono(7));
        assert_eq!(table.next(), (Some(50), Some(7)));
        assert_eq!(table.due(now(49, true, 6)), None);
        assert_eq!(table.due(now(100, true, 6)), Some((2, Due::Wall(50))));
        table.remove(2);
        assert_eq!(table.due(now(100, true, 6)), Some((1, Due::Wall(100))));
        assert_eq!(table.due(now(99, true, 9)), Some((3, Due::Mono(7))));
    }

    #[test]
    fn the_wall_clock_waits_until_it_is_trusted() {
        let mut table = Timetable::default();
        table.set(1, Due::Wall(100));
        assert_eq!(table.due(now(1_000, false, 0)), None);
        assert!(table.due(now(1_000, true, 0)).is_some());
        table.set(2, Due::Mono(5));
        assert_eq!(table.due(now(0, false, 5)), Some((2, Due::Mono(5))));
    }

    #[test]
    fn there_is_room_for_a_thousand() {
        let mut table = Timetable::default();
        assert!((0..CRON_JOBS as u64).all(|key| table.set(key, Due::Mono(key))));
        assert!(!table.set(u64::MAX, Due::Mono(1)));
        assert!(table.set(5, Due::Mono(1)), "one that is there may move");
        assert_eq!(std::mem::size_of::<(u64, Due)>(), 24);
    }
}
