//! When cron expressions fire, for `scripts/check/cron`. Each line of the input is `zone<TAB>expression<TAB>from<TAB>until`
//! (unix seconds); its answer is a line with the firings after `from` and before `until`, or `refused: why`.

use std::io::{BufRead, Write};

use picoclaw::sched::cron_expr::Expr;
use picoclaw::sched::zone::LocalClock;

fn firings(line: &str) -> Result<String, String> {
    let [zone, expr, from, until] = line.split('\t').collect::<Vec<_>>()[..] else {
        return Err("four columns are needed".into());
    };
    let clock = LocalClock::find(zone).map_err(|e| e.to_string())?;
    let expr = Expr::parse(expr)?;
    let moment = |text: &str| text.parse::<i64>().map_err(|e| e.to_string());
    let (mut at, until) = (moment(from)?, moment(until)?);
    let mut found = Vec::new();
    while let Some(next) = expr.next(at, &|at| clock.offset(at)).filter(|next| *next < until) {
        found.push(next.to_string());
        at = next;
    }
    Ok(found.join(" "))
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        match firings(&line?) {
            Ok(found) => writeln!(out, "{found}")?,
            Err(why) => writeln!(out, "refused: {why}")?,
        }
    }
    out.flush()
}
