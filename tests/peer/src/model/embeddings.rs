//! Vectors of texts (OpenAI API reference, "Create embeddings"): each word adds to one of 64 numbers, and some words
//! that mean the same add to the same one.

use serde_json::{Value, json};

/// Words that mean the same: the first stands for all of a group.
const SAME: [&[&str]; 3] =
    [&["car", "automobile", "vehicle"], &["doctor", "physician"], &["house", "home", "dwelling"]];

/// The answer to a request's body; an error in words.
pub fn answer(body: &Value) -> Result<Value, String> {
    let texts: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => return Err("'input' is a required property".into()),
    };
    let item = |(index, text): (usize, &&str)| json!({ "object": "embedding", "index": index, "embedding": vector(text) });
    let data: Vec<Value> = texts.iter().enumerate().map(item).collect();
    Ok(json!({ "object": "list", "model": body["model"], "data": data }))
}

fn vector(text: &str) -> Vec<f64> {
    let mut numbers = vec![0.0; 64];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 2) {
        let word = SAME.iter().find(|group| group.contains(&word)).map_or(word, |group| group[0]);
        let sum =
            word.bytes().fold(7_usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
        numbers[sum % 64] += 1.0;
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_mean_the_same_are_near() {
        assert_eq!(
            vector("An automobile"),
            vector("the CAR")[..].iter().zip(vector("the")).map(|(a, b)| a - b).collect::<Vec<_>>()
        );
        let answer = answer(&json!({ "model": "e", "input": ["a", "b"] })).expect("vectors");
        assert_eq!(answer["data"][1]["index"], 1);
    }
}
