//! Parameters of a call: query, urlencoded form, JSON or multipart, as the Bot API takes them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Refusal;
use crate::http::{Request, find, pairs};

/// A file that came with a call.
#[derive(Debug, Clone)]
pub struct Upload {
    pub name: String,
    pub bytes: usize,
    pub content: Vec<u8>,
}

/// The parameters.
#[derive(Debug, Default)]
pub struct Params {
    values: BTreeMap<String, Value>,
    uploads: BTreeMap<String, Upload>,
}

impl Params {
    pub fn read(request: &Request) -> Result<Params, Refusal> {
        let mut params = Params::default();
        for (k, v) in pairs(&request.query) {
            params.values.insert(k, Value::String(v));
        }
        let kind = request.header("content-type");
        if kind.starts_with("application/json") {
            let body: Result<Value, _> = serde_json::from_slice(&request.body);
            match body {
                Ok(Value::Object(map)) => params.values.extend(map),
                _ => return Err(Refusal::bad("object expected as parameters")),
            }
        } else if let Some((_, boundary)) = kind.split_once("boundary=") {
            params
                .multipart(&request.body, boundary.trim_matches('"'))
                .ok_or_else(|| Refusal::bad("can't parse multipart body"))?;
        } else if !request.body.is_empty() {
            let form = std::str::from_utf8(&request.body)
                .map_err(|_| Refusal::bad("strings must be encoded in UTF-8"))?;
            for (k, v) in pairs(form) {
                params.values.insert(k, Value::String(v));
            }
        }
        Ok(params)
    }

    fn multipart(&mut self, body: &[u8], boundary: &str) -> Option<()> {
        let line = format!("--{boundary}");
        let mut rest = &body[find(body, line.as_bytes())? + line.len()..];
        while !rest.starts_with(b"--") {
            let head_end = find(rest, b"\r\n\r\n")?;
            let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
            let content = &rest[head_end + 4..];
            let end = find(content, format!("\r\n{line}").as_bytes())?;
            let attribute = |key: &str| {
                let from = head.find(&format!("; {key}=\""))? + key.len() + 4;
                head[from..].split('"').next().map(str::to_owned)
            };
            let name = attribute("name")?;
            match attribute("filename") {
                Some(file) => {
                    self.uploads.insert(
                        name,
                        Upload { name: file, bytes: end, content: content[..end].to_vec() },
                    );
                }
                None => {
                    let text = String::from_utf8(content[..end].to_vec()).ok()?;
                    self.values.insert(name, Value::String(text));
                }
            }
            rest = &content[end + 2 + line.len()..];
        }
        Some(())
    }

    /// A string; numbers and booleans are taken in their text form.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.values.get(key)? {
            Value::String(s) => Some(s.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// A whole number, also as a string.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.text(key)?.parse().ok()
    }

    /// An object or array, also as JSON in a string.
    pub fn json(&self, key: &str) -> Option<Value> {
        match self.values.get(key)? {
            Value::String(s) => serde_json::from_str(s).ok(),
            other => Some(other.clone()),
        }
    }

    /// A file, sent along.
    pub fn upload(&self, key: &str) -> Option<&Upload> {
        self.uploads.get(key)
    }
}
