//! Conformance rows ([`crate::rows`]) for the context window and cron: `context_budget`, `cron`.

use picoclaw::agent::history::turn_starts;
use picoclaw::message::Message;
use picoclaw::sched::approval_mac::ApprovalMac;
use picoclaw::sched::cron_expr::Expr;
use picoclaw::sched::cron_store;
use picoclaw::sched::job::Now;
use picoclaw::tool::cron_handle::CronRequest;
use serde_json::Value;

use crate::rows::{rows, same, string};

fn history(value: &Value) -> Vec<Message> {
    let all = value.as_array().map_or(&[][..], Vec::as_slice);
    all.iter().map(|m| Message::parse(&m.to_string()).expect("a message")).collect()
}

#[test]
fn context_budget() {
    rows("context_budget", |test, name, input, expected| {
        let messages = history(&input["history"]);
        let want = &expected["want"];
        match test {
            "TestParseTurnBoundaries" => {
                let starts: Vec<usize> = turn_starts(&messages).collect();
                let want: Vec<usize> = serde_json::from_value(want.clone()).unwrap_or_default();
                same(name, starts, want)
            }
            "TestIsSafeBoundary" | "TestFindSafeBoundary" | "TestIsOverContextBudget" => {
                Err("turns are left out as wholes, by bytes that are measured: see stored_messages"
                    .into())
            }
            other => Err(format!("{other} is not known")),
        }
    });
}

#[test]
fn cron() {
    rows("cron", |test, name, input, expected| match test {
        "TestCronService_ComputeNextRun" => {
            let next = Expr::parse(string(&input["schedule"]["expr"])).ok();
            let next = next.and_then(|e| e.next(1_777_636_800, &|_| 0));
            same(name, next.is_none(), expected["wantNil"] == true)
        }
        "TestCronTool_UpdateValidationErrors" => {
            let args = &input["args"];
            let order = CronRequest {
                action: string(&args["action"]).into(),
                id: string(&args["job_id"]).into(),
                message: string(&args["message"]).into(),
                ..CronRequest::default()
            };
            let path = std::env::temp_dir().join("picoclaw-no-such-folder/jobs.json");
            let now = Now { wall: 1_777_636_800, trusted: true, mono: 0 };
            let e = cron_store::apply(&path, &ApprovalMac::new(&path), &order, now)
                .expect_err("an error")
                .to_string();
            same(name, e.contains(string(&expected["want"])), true)
        }
        other => Err(format!("{other} is not known")),
    });
}
