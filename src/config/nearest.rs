//! The nearest known name for a mistyped one.

/// Names longer than this many bytes are not compared: the distance table grows with their product.
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
        let d = distance(&wanted, &other);
        if d <= allowed && best.is_none_or(|(b, _)| d < b) {
            best = Some((d, candidate));
        }
    }
    best.map(|(_, c)| c)
}

/// Lower case, letters and digits only, so that `apiBase` and `api-base` equal `api_base`.
fn plain(name: &str) -> Vec<u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) from one to the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, &y) in b.iter().enumerate() {
            let mut d = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                d = d.min(before[j - 1] + 1);
            }
            row[j + 1] = d;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
