//! Campaigns: a promise tried at many random moments. `scripts/check/campaign` runs them; so do the tests, shortly.
//!
//! `PICOCLAW_SEED` makes a run repeatable as far as the machine's own timing allows, `PICOCLAW_COUNT` makes it long,
//! `PICOCLAW_LANES` says how many daemons are tried side by side. The last line of each is its books as JSON.

mod big;
mod books;
mod disk;
mod effects;
mod faults;
mod files;
mod flood;
mod kill;
mod lane;
mod order;
mod recorder;
mod slow;

use serde_json::{Value, json};

use books::Books;

use crate::pause;

/// Replies repeated in a window nobody can close: one in so many messages, where there are so many.
const REPEATED: u64 = 1000;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// What a campaign is told.
#[derive(Clone, Copy)]
struct Orders {
    seed: u64,
    /// Kills, cuts or rounds, all lanes together.
    count: u64,
    lanes: u64,
}

impl Orders {
    fn new(count: u64, lanes: u64) -> Orders {
        let [seed, count] = [number("PICOCLAW_SEED", 7), number("PICOCLAW_COUNT", count)];
        Orders { seed, count, lanes: number("PICOCLAW_LANES", lanes).clamp(1, count.max(1)) }
    }

    /// Runs `one` (seed and count are its own) in each lane and adds their books up; prints and judges them.
    fn run(self, name: &str, one: impl Fn(Orders) -> Option<Books> + Copy + Send + Sync) {
        let share = |lane: u64| Orders {
            seed: self.seed.wrapping_mul(1000).wrapping_add(lane + 1),
            count: self.count / self.lanes + u64::from(lane < self.count % self.lanes),
            lanes: 1,
        };
        let books: Option<Vec<Books>> = std::thread::scope(|s| {
            let lanes: Vec<_> =
                (0..self.lanes).map(|lane| s.spawn(move || one(share(lane)))).collect();
            // All are waited for; then the first that failed fails the campaign.
            let ends: Vec<_> = lanes.into_iter().map(|l| l.join()).collect();
            ends.into_iter().map(|end| end.expect("a lane that came to its end")).collect()
        });
        let Some(books) = books else {
            println!(
                "\n{}",
                json!({ "campaign": name, "skipped": "not to be had on this machine" })
            );
            return;
        };
        let all = books.into_iter().reduce(Books::and).unwrap_or_default();
        let mut line: Value = json!({ "campaign": name, "seed": self.seed, "count": self.count });
        all.write(&mut line);
        println!("\n{line}");
        all.judge(&line);
    }
}

/// Pseudo-random numbers (xorshift); the seed is printed so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        // Seeds that differ in a bit shall not begin alike.
        Random(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15).max(1))
    }

    /// From 0 to `n - 1`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn pause(&mut self, below_ms: u64) {
        pause::moment(self.below(below_ms));
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}
