//! Figures for people and for scripts.

use serde_json::{Map, Value, json};

/// Figures in the order they are shown.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

struct Row {
    key: &'static str,
    label: String,
    value: Value,
    /// What is to be reached, at most.
    target: Option<f64>,
}

impl Table {
    /// A figure; a label ends in its unit.
    pub fn put(&mut self, key: &'static str, label: impl Into<String>, value: impl Into<Value>) {
        self.rows.push(Row { key, label: label.into(), value: value.into(), target: None });
    }

    /// A figure that should be at most `target`.
    pub fn put_target(
        &mut self,
        key: &'static str,
        label: impl Into<String>,
        value: impl Into<Value>,
        target: f64,
    ) {
        self.rows.push(Row { key, label: label.into(), value: value.into(), target: Some(target) });
    }

    /// Figures that miss their target.
    pub fn missed(&self) -> usize {
        self.rows.iter().filter(|r| !r.is_reached()).count()
    }

    /// One object: figures by key, and the keys that miss their target.
    pub fn json(&self) -> Value {
        let figures: Map<String, Value> =
            self.rows.iter().map(|r| (r.key.to_string(), r.value.clone())).collect();
        let missed: Vec<&str> =
            self.rows.iter().filter(|r| !r.is_reached()).map(|r| r.key).collect();
        json!({ "figures": figures, "missed": missed })
    }

    /// Prints the rows.
    pub fn print(&self) {
        let width = self.rows.iter().map(|r| r.label.chars().count()).max().unwrap_or(0);
        for row in &self.rows {
            let target = match row.target {
                None => String::new(),
                Some(target) => format!(
                    "   {} (at most {target})",
                    if row.is_reached() { "ok" } else { "MISSED" }
                ),
            };
            println!("  {:width$}  {:>10}{target}", row.label, shown(&row.value));
        }
    }
}

impl Row {
    fn is_reached(&self) -> bool {
        match (self.target, self.value.as_f64()) {
            (Some(target), Some(value)) => value <= target,
            (Some(_), None) => false,
            (None, _) => true,
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => format!("{:.2}", n.as_f64().unwrap_or(0.0)),
        other => other.to_string(),
    }
}

/// The middle one; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_or_high_figures_fail() {
        let mut table = Table::default();
        table.put("free", "without a target", 100);
        table.put_target("reached", "at the target", 4.0, 4.0);
        assert_eq!(table.missed(), 0);
        table.put_target("above", "above it", 4.1, 4.0);
        table.put_target("nothing", "no figure", Value::Null, 4.0);
        table.put_target("no_number", "a division by zero", f64::NAN, 4.0);
        assert_eq!(table.json()["missed"], json!(["above", "nothing", "no_number"]));
    }
}
