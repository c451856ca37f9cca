//! The nearest known name for a mistyped one.

/// Names longer than this many bytes are not compared: the time grows with the product of two lengths.
const NAME_BYTES: usize = 64;

/// The candidate that `name` was most likely meant to be; none when all are too different.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    if wanted.is_empty() || wanted.len() > NAME_BYTES {
        return None;
    }
    let allowed = (wanted.len() / 3).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = plain(candidate);
        if other.len() > NAME_BYTES || other.len().abs_diff(wanted.len()) > allowed {
            continue;
        }
        let d = strsim::osa_distance(&wanted, &other);
        if d <= allowed && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, candidate));
        }
    }
    best.map(|(_, c)| c)
}

/// `did you mean ...?`, or nothing.
pub fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |n| format!("did you mean `{n}`?"))
}

/// Lower case, letters and digits only, so that `apiBase` and `api-base` equal `api_base`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, want: Option<&str>) {
        let known = ["api_base", "api_keys", "model", "model_name", "enabled", "proxy"];
        assert_eq!(nearest(name, known.into_iter()), want);
    }

    #[test]
    fn near_names_are_found() {
        check("apiBase", Some("api_base"));
        check("api-bsae", Some("api_base"));
        check("enabeld", Some("enabled"));
        check("modle", Some("model"));
        check("modelname", Some("model_name"));
        check("temperature", None);
        check("", None);
        check("___", None);
        check(&"x".repeat(1000), None);
    }
}
