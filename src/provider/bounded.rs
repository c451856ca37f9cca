//! Arrays of an answer with a limit on their elements: `[{},{},…` is a hundred times larger in memory than on the wire.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// At most `N` elements; null is none, more are an error.
pub struct AtMost<T, const N: usize>(pub Vec<T>);

impl<T, const N: usize> Default for AtMost<T, N> {
    fn default() -> Self {
        AtMost(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Elements::<T, N>(PhantomData)).map(AtMost)
    }
}

struct Elements<T, const N: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const N: usize> Visitor<'de> for Elements<T, N> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {N} elements")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = seq.next_element()? {
            if all.len() == N {
                return Err(A::Error::invalid_length(N + 1, &self));
            }
            all.push(element);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: Option<&[u8]>) {
        let got = serde_json::from_str::<AtMost<u8, 3>>(json).ok();
        assert_eq!(got.map(|a| a.0).as_deref(), want, "{json}");
    }

    #[test]
    fn arrays_have_an_end() {
        check("null", Some(&[]));
        check("[]", Some(&[]));
        check("[1,2,3]", Some(&[1, 2, 3]));
        check("[1,2,3,4]", None);
        check("{}", None);
        check("[1,", None);
    }
}
