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

/// Time between two points at first; it doubles when there are too many.
const FIRST_STEP: Duration = Duration::from_millis(5);

impl Timeseries {
    /// Of a run that begins now.
    pub fn begin() -> Timeseries {
        let step = FIRST_STEP;
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
    pub fn sample(&mut self) {
        let at = self.begun.elapsed();
        if at >= self.due {
            self.due = at + self.step;
            let rss = u32::try_from(memory::read_own().vm_rss).unwrap_or(u32::MAX);
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

/// The picture's inner size; its corner is at 60, 60.
const WIDTH: u64 = 720;
const HEIGHT: u64 = 300;

/// Most ticks of an axis, besides that of 0.
const TICKS: u32 = 6;

/// The distance of an axis's ticks: 1, 2 or 5 times a power of ten, so that at most [`TICKS`] of them reach `most`.
fn tick(most: u32) -> u32 {
    let powers = (0..10).map(|power| 10_u32.pow(power));
    let mut steps = powers.flat_map(|power| [1, 2, 5].map(|n| power.saturating_mul(n)));
    steps.find(|step| most / step <= TICKS).unwrap_or(u32::MAX)
}

/// The ticks of an axis that reaches to `most`: each value, and where it is in `length` units.
fn ticks(most: u32, length: u64) -> impl Iterator<Item = (u32, u64)> {
    let step = tick(most);
    (0..=most / step).map(move |n| {
        let value = n * step;
        (value, u64::from(value) * length / u64::from(most.max(1)))
    })
}

type Metric = fn(&Point) -> u32;

/// Memory and latency over time, with an axis for each and a legend. `title` holds nothing that XML would need escaped.
pub fn svg(title: &str, points: &[Point]) -> String {
    let most = |of: Metric| points.iter().map(of).max().unwrap_or(0);
    let (slowest, resident): (Metric, Metric) = (|p| p.latency, |p| p.rss);
    let (end, rss, latency) = (most(|p| p.at), most(resident), most(slowest));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 440\" font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"860\" height=\"440\" fill=\"white\"/>\n\
         <text x=\"60\" y=\"24\">{title}</text>\n\
         <g id=\"legend\">\
         <path d=\"M60 40H90\" stroke=\"blue\"/><text x=\"96\" y=\"45\">resident memory, at most {rss} kB</text>\
         <path d=\"M420 40H450\" stroke=\"red\"/><text x=\"456\" y=\"45\">slowest reply, at most {latency} µs</text></g>\n\
         <path d=\"M60 60V360H780V60\" fill=\"none\" stroke=\"gray\"/>\n"
    );
    axes(&mut out, end, rss, latency);
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

/// Ticks with their values, and what each axis counts.
fn axes(out: &mut String, end: u32, rss: u32, latency: u32) {
    // Writing to a String cannot fail.
    out.push_str("<g id=\"axes\" font-size=\"11\" stroke-width=\"1\">\n");
    for (value, at) in ticks(end, WIDTH) {
        let x = 60 + at;
        let _ = writeln!(
            out,
            "<path d=\"M{x} 360V366\" stroke=\"gray\"/><text x=\"{x}\" y=\"380\" text-anchor=\"middle\">{value}</text>"
        );
    }
    let sides = [(rss, 54, 60, 50, "end", "blue"), (latency, 780, 786, 790, "start", "red")];
    for (most, from, to, text, anchor, colour) in sides {
        for (value, at) in ticks(most, HEIGHT) {
            let y = 360 - at;
            let _ = writeln!(
                out,
                "<path d=\"M{from} {y}H{to}\" stroke=\"gray\"/><text x=\"{text}\" y=\"{}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{value}</text>",
                y + 4
            );
        }
    }
    out.push_str(
        "<text x=\"420\" y=\"404\" text-anchor=\"middle\">time in ms</text>\n\
         <text x=\"4\" y=\"404\" fill=\"blue\">memory in kB</text>\n\
         <text x=\"856\" y=\"404\" text-anchor=\"end\" fill=\"red\">latency in µs</text>\n</g>\n",
    );
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
        assert!(text.contains("points=\"\"") && text.contains("at most 0 kB"), "{text}");
    }

    #[test]
    fn axes_have_ticks_at_round_values_and_the_curves_a_legend() {
        let at = |most| ticks(most, 300).map(|(value, _)| value).collect::<Vec<_>>();
        assert_eq!(at(0), [0]);
        assert_eq!(at(7), [0, 2, 4, 6]);
        assert_eq!(at(1280), [0, 200, 400, 600, 800, 1000, 1200]);
        assert_eq!(at(u32::MAX), [0, 1_000_000_000, 2_000_000_000, 3_000_000_000, 4_000_000_000]);
        assert!((1..5000).all(|most| at(most).len() <= 7), "too many ticks");
        let text = svg("t", &[Point { at: 100, rss: 1280, latency: 400 }]);
        for want in [
            "<g id=\"legend\">",
            "resident memory, at most 1280 kB",
            "slowest reply, at most 400 µs",
            "time in ms",
            "memory in kB",
            "latency in µs",
            ">1000</text>",
            "<path d=\"M54 360H60\"",
        ] {
            assert!(text.contains(want), "no {want} in {text}");
        }
    }
}
