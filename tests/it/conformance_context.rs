//! Rows of the Go original for the context window and cron: `context_budget`, `cron`.

use picoclaw::agent::history::{boundary, is_boundary, is_over, turn_starts};
use picoclaw::message::Message;
use picoclaw::provider::tokens;
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
            "TestIsSafeBoundary" => {
                let index = input["index"].as_i64().expect("an index").max(0) as usize;
                same(name, is_boundary(&messages, index), *want == true)
            }
            "TestFindSafeBoundary" => {
                let target = input["targetIndex"].as_u64().expect("an index") as usize;
                same(name, Some(boundary(&messages, target) as u64), want.as_u64())
            }
            "TestIsOverContextBudget" => {
                // The original's own fixtures; any message is more than the small window has beside the answer.
                let some = [Message::text(picoclaw::message::Role::User, "hello")];
                let used = if input["messages"].is_null() { &[][..] } else { &some[..] };
                let request = used.iter().map(tokens::of_message).sum();
                let number = |key: &str| input[key].as_u64().expect("a number") as usize;
                same(
                    name,
                    is_over(number("contextWindow"), request, number("maxTokens")),
                    *want == true,
                )
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
