//! The timeseries of a measured run: what was resident and how long replies took, over time, as points and as an SVG picture.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::sys::memory;

/// Points of a curve: where there are more, two become one and the time between them doubles. 12 bytes each while the run
/// lasts, about 20 in the file.
pub const CHART_POINTS: usize = 512;

/// The figures of a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Milliseconds since the run's start.
    pub at: u32,
    /// Resident kilobytes, the most seen.
    pub rss: u32,
    /// Microseconds of the slowest reply; 0 where there was none.
    pub latency: u32,
}

/// Points of a run of any length, at most [`CHART_POINTS`].
pub struct Timeseries {
    begun: Instant,
    step: Duration,
    due: Duration,
    slowest: u32,
    points: Vec<Point>,
}

impl Timeseries {
    /// Of a run that begins now.
    pub fn begin() -> Timeseries {
        let step = Duration::from_millis(5);
        Timeseries {
            begun: Instant::now(),
            step,
            due: Duration::ZERO,
            slowest: 0,
            points: Vec::new(),
        }
    }

    /// A reply came after this time.
    pub fn replied(&mut self, after: Duration) {
        self.slowest = self.slowest.max(u32::try_from(after.as_micros()).unwrap_or(u32::MAX));
    }

    /// Reads memory when it is time for another point.
    pub fn look(&mut self) {
        let at = self.begun.elapsed();
        if at >= self.due {
            self.due = at + self.step;
            let rss = u32::try_from(memory::of_self().vm_rss).unwrap_or(u32::MAX);
            let at = u32::try_from(at.as_millis()).unwrap_or(u32::MAX);
            let latency = std::mem::take(&mut self.slowest);
            self.add(Point { at, rss, latency });
        }
    }

    fn add(&mut self, point: Point) {
        if self.points.len() >= CHART_POINTS {
            self.step *= 2;
            self.points = self.points.chunks(2).map(merged).collect();
        }
        self.points.push(point);
    }

    /// What was seen so far.
    pub fn points(&self) -> &[Point] {
        &self.points
    }
}

fn merged(points: &[Point]) -> Point {
    points.iter().fold(Point::default(), |a, b| Point {
        at: b.at,
        rss: a.rss.max(b.rss),
        latency: a.latency.max(b.latency),
    })
}

/// The picture's inner size; 60 units are around it.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 300;

/// Memory and latency over time. `title` holds nothing that XML would need escaped.
pub fn svg(title: &str, points: &[Point]) -> String {
    let most = |of: fn(&Point) -> u32| points.iter().map(of).max().unwrap_or(0);
    let (end, rss, latency) = (most(|p| p.at), most(|p| p.rss), most(|p| p.latency));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 840 420\" font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"840\" height=\"420\" fill=\"white\"/>\n\
         <path d=\"M60 60V360H780V60\" fill=\"none\" stroke=\"gray\"/>\n\
         <text x=\"60\" y=\"30\">{title}</text>\n\
         <text x=\"60\" y=\"52\" fill=\"blue\">{rss} kB resident</text>\n\
         <text x=\"780\" y=\"52\" fill=\"red\" text-anchor=\"end\">slowest reply {latency} µs</text>\n\
         <text x=\"60\" y=\"384\">0</text>\n\
         <text x=\"780\" y=\"384\" text-anchor=\"end\">{end} ms</text>\n"
    );
    type Of = fn(&Point) -> u32;
    let (slowest, resident): (Of, Of) = (|p| p.latency, |p| p.rss);
    for (name, colour, of, most) in
        [("latency", "red", slowest, latency), ("memory", "blue", resident, rss)]
    {
        // Writing to a String cannot fail.
        let _ = write!(out, "<polyline id=\"{name}\" fill=\"none\" stroke=\"{colour}\" points=\"");
        for point in points {
            let x = 60 + u64::from(point.at) * WIDTH / u64::from(end.max(1));
            let y = 360 - u64::from(of(point)) * HEIGHT / u64::from(most.max(1));
            let _ = write!(out, "{x},{y} ");
        }
        out.push_str("\"/>\n");
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_keeps_its_peaks_in_a_bounded_number_of_points() {
        let mut timeseries = Timeseries::begin();
        for at in 0..10_000 {
            let rss = if at == 7_777 { 900 } else { 500 };
            timeseries.add(Point { at, rss, latency: at % 10 });
            assert!(timeseries.points().len() <= CHART_POINTS);
        }
        assert!(timeseries.points().is_sorted_by_key(|p| p.at));
        assert_eq!(timeseries.points().iter().map(|p| p.rss).max(), Some(900));
        assert_eq!(timeseries.points().last().map(|p| p.at), Some(9_999));
        assert!(timeseries.step > Duration::from_millis(5));
    }

    #[test]
    fn curves_stay_inside_the_picture() {
        let most = Point { at: u32::MAX, rss: u32::MAX, latency: u32::MAX };
        let text = svg("t", &[Point::default(), most]);
        assert!(text.contains("points=\"60,360 780,60 \""), "{text}");
        let text = svg("t", &[]);
        assert!(text.contains("points=\"\"") && text.contains("0 kB resident"), "{text}");
    }
}
