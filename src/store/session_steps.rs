//! What the journal's steps say of a session's file: which of their lines it may lack. Pure.

/// What the recorded steps of a session say of its file. Steps are numbered from 1.
#[derive(Default)]
pub struct SessionSteps {
    /// Its file below `sessions/`.
    pub session: String,
    /// It is synced up to here, as the step of this number says.
    synced: (u64, usize),
    /// Where the lines recorded so far end.
    end: u64,
    /// The first step of the file that has the name now.
    first: usize,
}

impl SessionSteps {
    /// What nothing has been recorded of yet.
    pub fn of(session: String) -> SessionSteps {
        SessionSteps { session, ..SessionSteps::default() }
    }

    /// Takes step `n` in; `is_note` is true when it only says how far the file is synced.
    pub fn note(&mut self, n: usize, is_note: bool, offset: u64, length: u64) {
        if is_note {
            self.synced = (offset, n);
            return;
        }
        // Lines come one behind another: where one begins before the end of those before it, they were in a file that is set
        // aside, emptied or taken away, and whose lines must not come behind those of the new one.
        if offset < self.end {
            (self.first, self.synced) = (n, (0, 0));
        }
        self.end = offset + length;
    }

    /// Whether the file may lack the lines of step `n`, which end at byte `end`.
    pub fn may_lack(&self, n: usize, end: u64) -> bool {
        let (synced, at) = self.synced;
        n >= self.first && !(at > n && end <= synced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps of (is it a note?, offset, length); the numbers of those that the file may lack.
    #[track_caller]
    fn check(steps: &[(bool, u64, u64)], want: &[usize]) {
        let mut all = SessionSteps::default();
        for (n, (is_note, offset, length)) in (1..).zip(steps) {
            all.note(n, *is_note, *offset, *length);
        }
        let numbered = (1..).zip(steps).filter(|(_, step)| !step.0);
        let lacks = numbered.filter(|(n, step)| all.may_lack(*n, step.1 + step.2)).map(|(n, _)| n);
        assert_eq!(lacks.collect::<Vec<usize>>(), want, "{steps:?}");
    }

    #[test]
    fn lines_of_the_file_that_has_the_name_now_count() {
        check(&[(false, 0, 5), (false, 5, 5)], &[1, 2]);
        // Something else wrote in between.
        check(&[(false, 0, 5), (false, 9, 5)], &[1, 2]);
        // Synced up to 5: only what is behind it, or was recorded later.
        check(&[(false, 0, 5), (false, 5, 5), (true, 5, 0)], &[2]);
        check(&[(false, 0, 5), (true, 5, 0), (false, 5, 5)], &[3]);
        // The file began again, once or twice; a note of the old one says nothing.
        check(&[(false, 0, 5), (false, 5, 5), (false, 0, 3), (false, 3, 3)], &[3, 4]);
        check(&[(false, 0, 5), (true, 5, 0), (false, 4, 1), (false, 4, 2)], &[4]);
        // A call that begins has no lines.
        check(&[(false, 0, 5), (false, 5, 0), (false, 5, 5)], &[1, 2, 3]);
    }
}
