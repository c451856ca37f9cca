//! Estimates a request's tokens: by writing system first, then calibrated with each model's counts.
//!
//! There is no real tokenizer here: their tables are larger than this program.

use super::ChatRequest;
use crate::limits::MEDIA_TOKENS;
use crate::message::Message;

/// Estimated eighths of a token for a character. Byte-pair encodings use a token for about four Latin letters, two letters
/// of other alphabets, and nearly every single Chinese, Japanese or Korean character.
fn eighths(c: char) -> usize {
    match c {
        'a'..='z' | 'A'..='Z' | ' ' => 2,
        '0'..='9' => 3,
        '\0'..='\x7f' => 4,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7af}' => 7,
        '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}' => 8,
        '\u{80}'..='\u{7ff}' => 4,
        '\u{10000}'.. => 16,
        _ => 5,
    }
}

/// Estimated tokens of a text.
pub fn of_text(text: &str) -> usize {
    text.chars().map(eighths).sum::<usize>().div_ceil(8)
}

/// Estimated tokens of a message with its calls and framing.
pub fn of_message(message: &Message) -> usize {
    let calls: usize = message
        .tool_calls
        .iter()
        .map(|c| of_text(&c.id) + of_text(&c.name) + of_text(&c.arguments) + 8)
        .sum();
    let part = |text: &Option<String>| text.as_deref().map_or(0, of_text);
    of_text(&message.content)
        + part(&message.reasoning_content)
        + part(&message.tool_call_id)
        + calls
        + 4
        + MEDIA_TOKENS * message.media.len()
}

/// Estimated tokens of everything in a request but its messages.
pub fn of_frame(request: &ChatRequest<'_>) -> usize {
    let tool = |t: &&crate::tool::ToolSpec| {
        of_text(t.name) + of_text(t.description) + of_text(t.schema) + 8
    };
    of_text(request.system_static)
        + of_text(request.system_dynamic)
        + request.tools.iter().map(tool).sum::<usize>()
}

/// Estimated tokens of a request.
pub fn of_request(request: &ChatRequest<'_>) -> usize {
    let stored = request.history.as_ref().map_or(0, |history| history.tokens);
    of_frame(request) + stored + request.messages.iter().map(of_message).sum::<usize>()
}

/// The calibration of one model. Lives as long as the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Calibration {
    /// Counted divided by estimated tokens, smoothed; 0 before the first answer.
    factor: f32,
    /// The relative error of the estimate, smoothed.
    error: f32,
    /// Answers that counted.
    samples: u32,
}

/// The weight of the latest answer.
const WEIGHT: f32 = 0.2;
/// Bounds of the correction: a server that reports nonsense must not make the window vanish.
const BOUNDS: (f32, f32) = (0.25, 4.0);

impl Calibration {
    fn factor(&self) -> f32 {
        if self.samples == 0 { 1.0 } else { self.factor }
    }

    /// Tokens that this model will count for an estimate.
    pub fn estimate(&self, guess: usize) -> usize {
        (guess as f32 * self.factor()).ceil() as usize
    }

    /// The estimate for which this model will count so many tokens.
    pub fn guess(&self, tokens: usize) -> usize {
        (tokens as f32 / self.factor()) as usize
    }

    /// Learns from an answer: the estimate and the provider's count. Counts of 0 are ignored.
    pub fn note(&mut self, guess: usize, counted: u64) {
        if guess == 0 || counted == 0 {
            return;
        }
        let (guess, counted) = (guess as f32, counted as f32);
        let off = (guess * self.factor() - counted).abs() / counted;
        let ratio = (counted / guess).clamp(BOUNDS.0, BOUNDS.1);
        if self.samples == 0 {
            (self.factor, self.error) = (ratio, off);
        } else {
            self.factor += WEIGHT * (ratio - self.factor);
            self.error += WEIGHT * (off.min(10.0) - self.error);
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// `3 % off (12 answers, 1.08 tokens for each guessed)`; `None` before the first answer.
    pub fn report(&self) -> Option<String> {
        (self.samples > 0).then(|| {
            // As integers: nothing else prints an f32, and its formatting code would be another kilobyte.
            let (off, factor) =
                ((self.error * 100.0 + 0.5) as u32, (self.factor * 100.0 + 0.5) as u32);
            format!(
                "{off} % off ({} answers, {}.{:02} tokens for each guessed)",
                self.samples,
                factor / 100,
                factor % 100
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Role, ToolCall};

    #[track_caller]
    fn check(text: &str, low: usize, high: usize) {
        let guess = of_text(text);
        assert!((low..=high).contains(&guess), "{text}: {guess}");
    }

    #[test]
    fn scripts_differ() {
        // The ranges are the counts of common tokenizers.
        check("", 0, 0);
        check("The quick brown fox jumps over the lazy dog.", 9, 13);
        check("Übergrößenträger und Straßenbahn", 8, 13);
        check("Съешь же ещё этих мягких французских булок", 14, 22);
        check("敏捷的棕色狐狸跳过了懒狗", 9, 14);
        check("すばやい茶色の狐がのろまな犬を飛び越える", 14, 21);
        check("다람쥐 헌 쳇바퀴에 타고파", 10, 15);
        check(r#"{"path":"notes/a.md","line":12}"#, 9, 15);
        check("👩‍🚀", 3, 6);
    }

    #[test]
    fn calls_framing_and_pictures_count() {
        let mut message = Message::text(Role::User, "");
        assert_eq!(of_message(&message), 4);
        message.media.push("a.jpg".into());
        assert_eq!(of_message(&message), 4 + MEDIA_TOKENS);
        let call = ToolCall {
            id: "a".into(),
            name: "exec".into(),
            arguments: "{}".into(),
            ..ToolCall::default()
        };
        message.tool_calls.push(call);
        assert!(of_message(&message) > 12 + MEDIA_TOKENS);
    }

    #[test]
    fn a_model_corrects_the_guess() {
        let mut c = Calibration::default();
        assert_eq!((c.estimate(100), c.report()), (100, None));
        for _ in 0..40 {
            c.note(100, 150);
        }
        assert_eq!((c.estimate(100), c.guess(150)), (150, 100));
        let report = c.report().expect("answers came");
        assert!(report.starts_with("0 % off (40 answers, 1.50 "), "{report}");
    }

    #[test]
    fn nonsense_is_bounded() {
        let mut c = Calibration::default();
        c.note(0, 5);
        c.note(5, 0);
        assert_eq!(c, Calibration::default());
        c.note(1, u64::MAX);
        assert_eq!(c.estimate(100), 400);
        c.note(1_000_000, 1);
        assert!(c.estimate(100) >= 25);
    }
}
