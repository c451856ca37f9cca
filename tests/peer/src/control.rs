//! Steering from another process: `POST /control/<what>` with a JSON object, a JSON object back.
//!
//! | what | in | out |
//! |---|---|---|
//! | `say` | chat, user, text, unmarked | marker, message_id |
//! | `press` | chat, user, message_id, data of a button | update_id |
//! | `update` | update (an object, without number) | update_id |
//! | `wait` | marker, or replied: N, or calls + n, or text + chat, or rest: true; timeout (seconds) | found, text |
//! | `stats`, `reset` | | the books |
//! | `faults` | rules, seed | rules |
//! | `drive` | n, chats, mode, tool_every, text, timeout, ... | the books, at the end |
//! | `set` | model_delay_ms, stream_gap_ms, pad, unmarked, revoked, offline, sntp_unix, sntp_mode, dns_mode, dns | |
//! | `chat` | chat, blocked, missing, migrate_to | |
//! | `sent`, `requests` | last: N | list |

use std::time::Duration;

use serde_json::{Value, json};

use crate::drive::Drive;
use crate::http::{Outcome, Request};
use crate::ledger::Marker;
use crate::peer::Inner;
use crate::telegram::say::{Say, press};
use crate::{dns, sntp};

/// Serves `/control/`; `None` for other paths.
pub fn serve(inner: &Inner, request: &Request, alive: &dyn Fn() -> bool) -> Option<Outcome> {
    let what = request.path.strip_prefix("/control/")?;
    let body = if request.body.is_empty() {
        Ok(json!({}))
    } else {
        serde_json::from_slice(&request.body).map_err(|e| e.to_string())
    };
    Some(match body.and_then(|body| command(inner, what, &body, alive)) {
        Ok(result) => Outcome::json(200, &result),
        Err(e) => Outcome::json(400, &json!({ "error": e })),
    })
}

fn command(
    inner: &Inner,
    what: &str,
    v: &Value,
    alive: &dyn Fn() -> bool,
) -> Result<Value, String> {
    let shared = &inner.shared;
    match what {
        "say" => {
            let chat = v["chat"].as_i64().unwrap_or(1001);
            let mut say = Say::new(chat, v["user"].as_i64().unwrap_or(chat), text(v, "text"));
            if v["unmarked"] == true {
                say = say.unmarked();
            }
            let (marker, id) = shared.change(|w| say.enqueue(w));
            Ok(json!({ "marker": marker.to_string(), "message_id": id }))
        }
        "press" => {
            let chat = v["chat"].as_i64().unwrap_or(1001);
            let user = v["user"].as_i64().unwrap_or(chat);
            let message = v["message_id"].as_i64().ok_or("message_id: not a number")?;
            Ok(
                json!({ "update_id": inner.shared.change(|w| press(w, chat, user, message, &text(v, "data"))) }),
            )
        }
        "update" => {
            let id = shared.change(|w| w.telegram.enqueue(v["update"].clone()));
            Ok(json!({ "update_id": id }))
        }
        "wait" => wait(inner, v, alive),
        "stats" => Ok(shared.look(|w| w.stats())),
        "reset" => {
            shared.change(crate::world::World::reset);
            Ok(json!({}))
        }
        "faults" => {
            let rules: Vec<String> =
                list(&v["rules"]).iter().filter_map(|r| r.as_str().map(str::to_owned)).collect();
            shared.change(|w| w.faults.set(&rules, v["seed"].as_u64().unwrap_or(1)))?;
            Ok(json!({ "rules": rules }))
        }
        "drive" => Ok(Drive::from_json(v)?.run(shared)),
        "set" => set(inner, v),
        "chat" => {
            let chat = v["chat"].as_i64().ok_or("chat: not a number")?;
            shared.look(|w| {
                let state = w.telegram.chats.entry(chat).or_default();
                state.blocked = v["blocked"].as_bool().unwrap_or(state.blocked);
                state.missing = v["missing"].as_bool().unwrap_or(state.missing);
                state.migrated_to = v["migrate_to"].as_i64().or(state.migrated_to);
            });
            Ok(json!({}))
        }
        "sent" => {
            let sent = shared.look(|w| w.telegram.sent.iter().map(|s| s.json()).collect());
            Ok(json!({ "sent": last(sent, v) }))
        }
        "requests" => {
            let requests = shared.look(|w| w.requests.iter().cloned().collect());
            Ok(json!({ "requests": last(requests, v) }))
        }
        _ => Err(format!("no control: {what}")),
    }
}

fn text(v: &Value, key: &str) -> String {
    v[key].as_str().unwrap_or("").to_owned()
}

fn list(v: &Value) -> &[Value] {
    v.as_array().map_or(&[], Vec::as_slice)
}

fn last(mut all: Vec<Value>, v: &Value) -> Vec<Value> {
    let keep = v["last"].as_u64().map_or(all.len(), |n| all.len().min(n as usize));
    all.split_off(all.len() - keep)
}

fn wait(inner: &Inner, v: &Value, alive: &dyn Fn() -> bool) -> Result<Value, String> {
    let seconds = v["timeout"].as_f64().unwrap_or(30.0);
    let limit = Duration::try_from_secs_f64(seconds).map_err(|_| "timeout: not a time")?;
    let marker = v["marker"].as_str().map(|m| Marker::parse(m).ok_or("no marker")).transpose()?;
    let (replied, n) = (v["replied"].as_u64(), v["n"].as_u64().unwrap_or(1));
    let (calls, wanted, chat) = (v["calls"].as_str(), text(v, "text"), v["chat"].as_i64());
    let found = inner.shared.wait(limit, alive, |w| {
        if v["rest"] == true {
            return w.rest().map(|begun| begun.to_string());
        }
        if let Some(marker) = &marker {
            return w.ledger.answer(marker).map(str::to_owned);
        }
        if let Some(replied) = replied {
            return (w.ledger.replied_count() as u64 >= replied).then(String::new);
        }
        if let Some(call) = calls {
            return (w.calls.get(call).copied().unwrap_or(0) >= n).then(String::new);
        }
        let fits = |s: &&crate::telegram::sent::Sent| {
            chat.is_none_or(|c| c == s.chat) && s.text.contains(&wanted)
        };
        w.telegram.sent.iter().find(fits).map(|s| s.text.clone())
    });
    Ok(json!({ "found": found.is_some(), "text": found }))
}

fn set(inner: &Inner, v: &Value) -> Result<Value, String> {
    let known = [
        "model_delay_ms",
        "stream_gap_ms",
        "pad",
        "unmarked",
        "revoked",
        "offline",
        "sntp_unix",
        "sntp_mode",
        "dns_mode",
        "dns",
    ];
    let keys = v.as_object().ok_or("not an object")?;
    if let Some(key) = keys.keys().find(|k| !known.contains(&k.as_str())) {
        return Err(format!("no setting: {key}"));
    }
    inner.shared.change(|w| {
        let ms = |key: &str| v[key].as_u64().map(Duration::from_millis);
        w.model.delay = ms("model_delay_ms").unwrap_or(w.model.delay);
        w.model.gap = ms("stream_gap_ms").unwrap_or(w.model.gap);
        w.model.pad = v["pad"].as_u64().map_or(w.model.pad, |n| n as usize);
        if let Some(text) = v["unmarked"].as_str() {
            w.model.unmarked = text.to_owned();
        }
        w.telegram.revoked = v["revoked"].as_bool().unwrap_or(w.telegram.revoked);
    });
    if let Some(sntp) = &inner.sntp {
        if let Some(time) = v.get("sntp_unix") {
            sntp.set_time(time.as_u64());
        }
        if let Some(mode) = v["sntp_mode"].as_str() {
            sntp.set_mode(sntp::Mode::parse(mode).ok_or("no sntp_mode")?);
        }
    }
    if let Some(dns) = &inner.dns {
        if let Some(mode) = v["dns_mode"].as_str() {
            dns.set_mode(dns::Mode::parse(mode).ok_or("no dns_mode")?);
        }
        for entry in list(&v["dns"]) {
            add_name(dns, entry.as_str().unwrap_or(""))?;
        }
    }
    if let Some(offline) = v["offline"].as_bool() {
        inner.set_offline(offline);
    }
    Ok(json!({}))
}

/// `name=address` into the table.
pub fn add_name(dns: &dns::Dns, entry: &str) -> Result<(), String> {
    let (name, address) =
        entry.split_once('=').ok_or_else(|| format!("no name=address: {entry}"))?;
    dns.add(name, address.parse().map_err(|_| format!("no address: {address}"))?);
    Ok(())
}
