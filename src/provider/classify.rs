//! Classifies why a call failed, by status, text or transport error (behaviour.md 6B). Uses plain substring search: the
//! texts are few and short, so a regular expression engine would not pay off. What follows from a class is decided
//! elsewhere: [`Class::is_retried`], and retries, cooldown and the next model in `provider/chain.rs`.

use super::{Class, Failure};
use crate::net::http::{HttpError, HttpErrorKind};

/// A transport error as a failure. A clock that is not set yet has its own class: it is not the server's fault.
pub fn transport(error: &HttpError) -> Failure {
    let class = match error.kind {
        HttpErrorKind::Clock => Class::Clock,
        HttpErrorKind::Timeout => Class::Timeout,
        HttpErrorKind::Resolve
        | HttpErrorKind::Connect
        | HttpErrorKind::Broken
        | HttpErrorKind::Protocol => Class::Network,
        HttpErrorKind::Url | HttpErrorKind::Guarded => Class::Unknown,
    };
    Failure::new(class, error.message.clone())
}

/// The class of a failed response with this status and body.
pub fn status(status: u16, body: &str) -> Class {
    let body = body.to_ascii_lowercase();
    match status {
        // No money is no wrong key, and no pause helps.
        403 | 429 if cfg!(feature = "servers") && is_billing(&body) => Class::Billing,
        401 | 403 => Class::Auth,
        402 => Class::Billing,
        408 => Class::Timeout,
        413 => Class::ContextOverflow,
        429 => Class::RateLimit,
        // Servers also answer 400 to a long conversation, a wrong key or an empty account.
        400 | 422 => match text(&body) {
            class @ (Class::ContextOverflow | Class::Auth | Class::Billing) => class,
            _ => Class::Format,
        },
        // Behind a proxy a model's refusal can become an error of the server.
        500..=599 => match text(&body) {
            Class::ContextOverflow => Class::ContextOverflow,
            _ => Class::Timeout,
        },
        _ => match text(&body) {
            // The text of a 404 often mentions access; only these are more precise than the status.
            class @ (Class::ContextOverflow | Class::Billing | Class::RateLimit) => class,
            _ => Class::Unknown,
        },
    }
}

/// The class of an error sentence, by a status in it, else by its words.
pub fn message(message: &str) -> Class {
    let message = message.to_ascii_lowercase();
    match status_in(&message) {
        0 => text(&message),
        code => match status(code, &message) {
            Class::Unknown => text(&message),
            class => class,
        },
    }
}

/// The status in a lower-case sentence: after `status`, after `http`, or a separate number from 300 to 599; 0 for none.
pub fn status_in(message: &str) -> u16 {
    for marker in ["status", "http"] {
        if let Some(code) = message.match_indices(marker).find_map(|(at, _)| {
            let rest = &message[at + marker.len()..];
            let rest = rest.strip_prefix(" code").unwrap_or(rest);
            let rest = rest.strip_prefix("/1.1").or(rest.strip_prefix("/2")).unwrap_or(rest);
            let bare = rest.trim_start_matches([':', ' ', '=']);
            if bare.len() == rest.len() { None } else { number_at(bare) }
        }) {
            return code;
        }
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    message.split(|c| !word(c)).filter(|w| w.len() == 3).find_map(number_at).unwrap_or(0)
}

/// A status from 300 to 599 that `text` begins with and that ends there.
fn number_at(text: &str) -> Option<u16> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits != 3 {
        return None;
    }
    text[..3].parse().ok().filter(|code| (300..600).contains(code))
}

/// Words that identify a class; the first match decides. A ` * ` matches anything in between.
const RULES: [(Class, &[&str]); 8] = [
    (
        Class::RateLimit,
        &[
            "rate_limit",
            "rate limit",
            "too many requests",
            "exceeded*quota",
            "resource*exhausted",
            "quota exceeded",
            "usage limit",
        ],
    ),
    (Class::RateLimit, &["overloaded"]),
    (
        Class::Billing,
        &[
            "payment required",
            "insufficient credits",
            "credit balance",
            "plans & billing",
            "insufficient balance",
            "insufficient_quota",
            "exceeded_current_quota",
            "arrearage",
            "overdue",
        ],
    ),
    (Class::Timeout, &["timeout", "timed out", "deadline exceeded"]),
    (
        Class::Network,
        &[
            "connection reset",
            "connection refused",
            "connection closed",
            "connection aborted",
            "no route to host",
            "network is unreachable",
            "host is unreachable",
            "no such host",
            "name resolution",
            "unexpected eof",
            "broken pipe",
            "failed to send request",
        ],
    ),
    (
        Class::Auth,
        &[
            "invalid api key",
            "invalid_api_key",
            "invalidapikey",
            "invalid apikey",
            "incorrect api key",
            "api key not valid",
            "api_key_invalid",
            "invalid token",
            "authentication",
            "re-authenticate",
            "oauth token refresh failed",
            "unauthorized",
            "forbidden",
            "access denied",
            "expired",
            "no credentials found",
            "no api key found",
        ],
    ),
    (
        Class::Format,
        &[
            "string should match pattern",
            "tool_use.id",
            "tool_use_id",
            "invalid request format",
            "image dimensions exceed max",
            "image exceeds*mb",
        ],
    ),
    // Upstream also matches the bare word max_tokens; that also occurs for a wrong parameter, which a shorter
    // conversation would not fix.
    (
        Class::ContextOverflow,
        &[
            "context_length_exceeded",
            "context length",
            "context_window",
            "context window",
            "token limit",
            "too many tokens",
            "prompt is too long",
            "input is too long",
            "range of input length",
            "request too large",
            "request_too_large",
            "reduce the length",
            "context size",
            "context limit",
            "input token count",
            "exceeds max length",
            "超长",
            "max message tokens",
            "maximum prompt length",
            "length of prompt_tokens",
            "max_new_tokens` must be",
            "trying to keep the first",
            "too large for model with",
            "prompt too long",
        ],
    ),
];

/// The lower-case text says that the account has no money.
fn is_billing(message: &str) -> bool {
    let billing = RULES.iter().filter(|(class, _)| *class == Class::Billing);
    billing.flat_map(|(_, words)| *words).any(|words| matches(message, words))
}

/// The class of a lower-case sentence by its words alone.
fn text(message: &str) -> Class {
    RULES
        .iter()
        .find(|(_, words)| words.iter().any(|w| matches(message, w)))
        .map_or(Class::Unknown, |&(class, _)| class)
}

fn matches(message: &str, words: &str) -> bool {
    match words.split_once('*') {
        None => message.contains(words),
        Some((first, then)) => {
            message.find(first).is_some_and(|at| message[at + first.len()..].contains(then))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sentence: &str, want: Class) {
        assert_eq!(message(sentence), want, "{sentence}");
    }

    #[test]
    fn sentences_have_a_class() {
        check("Rate limit reached for requests", Class::RateLimit);
        check("You have exceeded your monthly quota", Class::RateLimit);
        check("Resource has been exhausted (e.g. check quota).", Class::RateLimit);
        check(r#"{"type":"overloaded_error","message":"Overloaded"}"#, Class::RateLimit);
        check("Your credit balance is too low", Class::Billing);
        check("402: pay first", Class::Billing);
        check("i/o timeout after 30 s", Class::Timeout);
        check("read 10.0.0.1:4000->10.0.0.2:443: connection reset by peer", Class::Network);
        check("dial: Connection refused", Class::Network);
        check("Invalid API key", Class::Auth);
        check("error 401", Class::Auth);
        check("your session expired", Class::Auth);
        check("messages.3: unexpected tool_use_id", Class::Format);
        check("prompt is too long: 210000 tokens > 200000 maximum", Class::ContextOverflow);
        check("status: 400, maximum context length is 8192", Class::ContextOverflow);
        check("status code: 503", Class::Timeout);
        check("HTTP/1.1 429 Too Many", Class::RateLimit);
        check("something odd", Class::Unknown);
        check("", Class::Unknown);
    }

    #[test]
    fn the_order_of_the_rules_decides() {
        check("rate limit: request timeout", Class::RateLimit);
        check("overloaded, payment required", Class::RateLimit);
        check("payment required or token expired", Class::Billing);
        check("timeout: connection reset", Class::Timeout);
    }

    #[track_caller]
    fn check_status(code: u16, body: &str, want: Class) {
        assert_eq!(status(code, body), want, "{code} {body}");
    }

    #[test]
    fn statuses_have_a_class() {
        for code in [401, 403] {
            check_status(code, "", Class::Auth);
        }
        for code in [408, 500, 501, 502, 503, 504, 520, 524, 529] {
            check_status(code, "overloaded", Class::Timeout);
        }
        check_status(402, "", Class::Billing);
        check_status(413, "", Class::ContextOverflow);
        if cfg!(feature = "servers") {
            check_status(429, "insufficient balance", Class::Billing);
            check_status(403, "{\"code\":\"AccountOverdueError\"}", Class::Billing);
        }
        check_status(500, "the maximum context length is 10", Class::ContextOverflow);
        for overflow in [
            "the request exceeds the available context size",
            "The input token count (12) exceeds the maximum number of tokens allowed (10)",
            "Prompt exceeds max length",
            "Prompt 超长",
            "Total tokens of image and text exceed max message tokens",
            "This model's maximum prompt length is 10 but the request contains 12 tokens",
            "length of prompt_tokens (12) must be less than max_seq_len (10)",
            "Trying to keep the first 12 tokens when context the overflows",
            "Prompt contains 12 tokens, too large for model with 10 maximum context length",
        ] {
            check_status(400, overflow, Class::ContextOverflow);
        }
        check_status(400, "", Class::Format);
        check_status(400, "API key not valid. Please pass one.", Class::Auth);
        check_status(400, "This model's maximum context length is 10", Class::ContextOverflow);
        check_status(400, "Your credit balance is too low", Class::Billing);
        check_status(400, "'max_tokens' is not supported", Class::Format);
        check_status(422, "timeout must be a number", Class::Format);
        check_status(404, "no such model, or access denied", Class::Unknown);
        check_status(301, "", Class::Unknown);
    }

    #[track_caller]
    fn check_number(sentence: &str, want: u16) {
        assert_eq!(status_in(sentence), want, "{sentence}");
    }

    #[test]
    fn a_status_is_found_in_a_sentence() {
        check_number("status: 503 then 429", 503);
        check_number("status 429", 429);
        check_number("http 502", 502);
        check_number("http/1.1 500 oops", 500);
        check_number("failed (404)", 404);
        check_number("number 54321", 0);
        check_number("v429b", 0);
        check_number("200 or 600", 0);
        check_number("", 0);
    }

    #[test]
    fn transport_errors_have_a_class() {
        for (kind, want) in [
            (HttpErrorKind::Url, Class::Unknown),
            (HttpErrorKind::Resolve, Class::Network),
            (HttpErrorKind::Connect, Class::Network),
            (HttpErrorKind::Clock, Class::Clock),
            (HttpErrorKind::Timeout, Class::Timeout),
            (HttpErrorKind::Broken, Class::Network),
            (HttpErrorKind::Protocol, Class::Network),
        ] {
            let failure = transport(&HttpError { kind, message: "x: y".into() });
            assert_eq!((failure.class, failure.message.as_str()), (want, "x: y"));
        }
    }
}
