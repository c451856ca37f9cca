//! Parses the server's answers during a device code sign-in, and its tokens (behaviour.md 7A; OpenAI's form
//! of RFC 8628). No I/O.

use serde_json::Value;

use super::base64::URL;
use crate::limits::AUTH_INTERVAL;

/// A started sign-in that waits for the user to enter the code.
pub struct DeviceCode {
    /// The server's id for it.
    pub id: String,
    /// The code to enter.
    pub code: String,
    /// Seconds between two polls.
    pub interval: u64,
}

/// The result of a poll.
#[derive(Debug, PartialEq, Eq)]
pub enum PollResult {
    /// Poll again later.
    Pending,
    /// Poll again, less often.
    SlowDown,
    /// The user refused.
    Denied,
    /// The code has expired.
    Expired,
    /// Code and verifier, to be exchanged for tokens.
    Done(String, String),
}

/// Tokens for the model server.
#[derive(Default)]
pub struct Tokens {
    /// Sent with each request.
    pub access: String,
    /// The refresh token; empty for none.
    pub refresh: String,
    /// The account; empty if unknown.
    pub account: String,
    /// Seconds of validity; 0 if unknown.
    pub expires_in: i64,
}

fn parse(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().trim().to_owned()
}

/// A number, or a string with a number.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// The answer that starts a sign-in; `None` if it is invalid.
pub fn device(body: &str) -> Option<DeviceCode> {
    let value = parse(body);
    let code = ["user_code", "usercode"].map(|name| text(&value, name));
    let code = code.into_iter().find(|c| !c.is_empty())?;
    let id = text(&value, "device_auth_id");
    // Both are shown on a terminal or sent back, so only plain words are accepted.
    if id.is_empty() || !code.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let interval = number(&value["interval"]).filter(|n| *n > 0).unwrap_or(AUTH_INTERVAL.0);
    Some(DeviceCode { id, code, interval: interval.min(AUTH_INTERVAL.1) })
}

/// The answer to a poll. An answer that is not understood counts as "not yet": the wait has its own time limit.
pub fn polled(status: u16, body: &str) -> PollResult {
    let value = parse(body);
    if status == 200 {
        let (code, verifier) = (text(&value, "authorization_code"), text(&value, "code_verifier"));
        if !code.is_empty() && !verifier.is_empty() {
            return PollResult::Done(code, verifier);
        }
    }
    let error = &value["error"];
    let error = error["code"].as_str().or(error.as_str()).unwrap_or_default();
    match error {
        _ if status == 429 || error == "slow_down" => PollResult::SlowDown,
        e if e.contains("denied") || e.contains("declined") => PollResult::Denied,
        e if e.contains("expired") => PollResult::Expired,
        _ => PollResult::Pending,
    }
}

/// The tokens of an answer; `None` if it has no usable ones.
pub fn tokens(body: &str) -> Option<Tokens> {
    let value = parse(body);
    let access = text(&value, "access_token");
    if access.is_empty() || !access.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let account = ["id_token", "access_token"].map(|name| account(&text(&value, name)));
    Some(Tokens {
        refresh: text(&value, "refresh_token"),
        account: account.into_iter().flatten().next().unwrap_or_default(),
        expires_in: number(&value["expires_in"]).map_or(0, |n| n.min(u64::from(u32::MAX)) as i64),
        access,
    })
}

/// The account that a signed token (RFC 7519) names; its signature is the server's business.
fn account(token: &str) -> Option<String> {
    let claims = URL.decode(token.split('.').nth(1)?.trim_end_matches('=').as_bytes())?;
    let claims = parse(std::str::from_utf8(&claims).ok()?);
    let places = [&claims["https://api.openai.com/auth"], &claims];
    let id = places.into_iter().find_map(|p| p["chatgpt_account_id"].as_str());
    let id = id.or_else(|| claims["organizations"][0]["id"].as_str())?.trim();
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_graphic())).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_or_refused() {
        let good = device(r#"{"device_auth_id":"d-1","user_code":"AB-12","interval":"7"}"#);
        assert_eq!(
            good.map(|d| (d.id, d.code, d.interval)),
            Some(("d-1".into(), "AB-12".into(), 7))
        );
        for (interval, want) in
            [("1", 1), ("0", 5), ("-3", 5), ("\"x\"", 5), ("9999999", 60), ("null", 5)]
        {
            let body = format!(r#"{{"device_auth_id":"d","usercode":"c","interval":{interval}}}"#);
            assert_eq!(device(&body).map(|d| d.interval), Some(want), "{body}");
        }
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"user_code":"AB"}"#,
            r#"{"device_auth_id":"d"}"#,
            r#"{"device_auth_id":"d","user_code":"\u001b[2J"}"#,
            r#"{"device_auth_id":1,"user_code":2}"#,
        ] {
            assert!(device(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn questions_have_five_answers() {
        let check =
            |status, body: &str, want| assert_eq!(polled(status, body), want, "{status} {body}");
        check(
            200,
            r#"{"authorization_code":"c","code_verifier":"v"}"#,
            PollResult::Done("c".into(), "v".into()),
        );
        check(200, r#"{"authorization_code":"c"}"#, PollResult::Pending);
        check(403, r#"{"error":{"code":"deviceauth_authorization_unknown"}}"#, PollResult::Pending);
        check(400, r#"{"error":"authorization_pending"}"#, PollResult::Pending);
        check(400, r#"{"error":"slow_down"}"#, PollResult::SlowDown);
        check(429, "busy", PollResult::SlowDown);
        check(400, r#"{"error":"access_denied"}"#, PollResult::Denied);
        check(400, r#"{"error":"authorization_declined"}"#, PollResult::Denied);
        check(400, r#"{"error":{"code":"expired_token"}}"#, PollResult::Expired);
        check(502, "<html>", PollResult::Pending);
        check(200, "{", PollResult::Pending);
    }

    #[test]
    fn tokens_say_whose_they_are() {
        let jwt = |claims: &str| format!("e30.{}.sig", URL.encode(claims));
        let body = |id: &str| {
            format!(
                r#"{{"access_token":"a","refresh_token":"r","id_token":"{id}","expires_in":3600}}"#
            )
        };
        let check = |id: &str, want: &str| {
            let t = tokens(&body(id)).expect("tokens");
            assert_eq!(
                (&*t.access, &*t.refresh, &*t.account, t.expires_in),
                ("a", "r", want, 3600)
            );
        };
        check(&jwt(r#"{"https://api.openai.com/auth":{"chatgpt_account_id":"acc-1"}}"#), "acc-1");
        check(&jwt(r#"{"chatgpt_account_id":"acc-2"}"#), "acc-2");
        check(&jwt(r#"{"organizations":[{"id":"org-3"}]}"#), "org-3");
        check(&jwt(r#"{"chatgpt_account_id":"a\r\nb"}"#), "");
        check("no.jwt!.x", "");
        check("", "");
        for bad in ["", "{}", r#"{"access_token":"a b"}"#, r#"{"access_token":"a\n"}x"#] {
            assert!(tokens(bad).is_none(), "{bad}");
        }
        let long = tokens(r#"{"access_token":"a","expires_in":99999999999999}"#).expect("tokens");
        assert_eq!(long.expires_in, i64::from(u32::MAX));
    }
}
