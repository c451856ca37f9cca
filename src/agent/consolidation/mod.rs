//! Folds daily notes into MEMORY.md: one question to the model, without any tool, and then all at once on the card or not at
//! all. The notes stay where they are, and the old MEMORY.md is kept.

mod prompt;

use smol::future::or;

use super::types::Agent;
use crate::error::{Error, Result};
use crate::limits::{CONSOLIDATION_MEMORY_BYTES, CONSOLIDATION_TIME};
use crate::message::{Message, Role};
use crate::proto::date;
use crate::provider::{ChatRequest, tokens};
use crate::store::consolidation as files;
use crate::store::dir::Dir;
use crate::sys::spawn_blocking;

/// Days since 1970 of `2026-02-17`.
fn day_of(text: &str) -> Option<i64> {
    date::parse_rfc3339(&format!("{text}T00:00:00Z")).map(|unix| unix / date::DAY)
}

impl Agent {
    /// Folds the notes before `today` (days since 1970, local time) that are not in MEMORY.md yet; says what was done, or
    /// nothing when there are none.
    ///
    /// # Errors
    /// The model's or the disk's; MEMORY.md is then as it was.
    pub async fn consolidate(&self, today: i64) -> Result<Option<String>> {
        let workspace = self.config.agent.workspace.clone();
        let gathered = spawn_blocking(Box::new(move || -> Result<files::PendingNotes> {
            let root = Dir::shared(&workspace)?;
            let memory = files::memory(&root)?;
            // A mark of a day to come is of a clock that was wrong.
            let upto =
                prompt::consolidated_upto(&memory).and_then(day_of).filter(|day| *day < today);
            let notes = files::notes(&root, upto, today)?;
            Ok(files::PendingNotes { memory, notes })
        }))
        .await?;
        let files::PendingNotes { memory, mut notes } = gathered;
        let question = loop {
            let Some((_, _)) = notes.last() else { return Ok(None) };
            let question = prompt::question(&memory, &notes);
            if self.fits(&question, memory.len()) {
                break question;
            }
            notes.pop();
            if notes.is_empty() {
                return Err(Error::new(
                    "MEMORY.md and one note are too long for the model's window",
                ));
            }
        };
        let count = notes.len();
        let upto = notes.pop().map(|(day, _)| day).unwrap_or_default();
        drop(notes);
        let answer = self.consolidated(question).await?;
        let consolidated = prompt::apply(&memory, &answer, &upto)
            .map_err(|why| Error::new(format!("the model's answer is not used: {why}")))?;
        drop(answer);
        if consolidated.text.len() > 2 * CONSOLIDATION_MEMORY_BYTES {
            return Err(Error::new("the model's answer is not used: it is too long"));
        }
        for line in &consolidated.gone {
            crate::log::debug!("consolidation: {}", crate::proto::text::one_line(line, 200));
        }
        let (gone, stayed) = (consolidated.gone.len(), consolidated.kept);
        let workspace = self.config.agent.workspace.clone();
        let old = spawn_blocking(Box::new(move || {
            let root = Dir::shared(&workspace)?;
            files::replace(&root, &memory, &consolidated.text, today)
        }))
        .await?;
        Ok(Some(format!(
            "{count} notes up to {upto} are consolidated into MEMORY.md; {gone} lines went with a reason, {stayed} were forgotten and kept; before: {old}"
        )))
    }

    /// Is there room for this question and an answer of the file's size?
    fn fits(&self, question: &str, memory: usize) -> bool {
        let calibration = self.models.calibration();
        let asked = tokens::of_message(&Message::text(Role::User, question));
        let answered = asked * (memory + 4096) / question.len().max(1);
        calibration.estimate(asked + answered) <= self.config.agent.context_window as usize
    }

    async fn consolidated(&self, question: String) -> Result<String> {
        let messages = [Message::text(Role::User, question)];
        let request = ChatRequest {
            system_static: prompt::SYSTEM,
            system_dynamic: "",
            history: None,
            messages: &messages,
            tools: &[],
            max_tokens: self.config.agent.max_tokens,
            temperature: 0.3,
            cache_key: "",
            pictures: &[],
        };
        let late = async {
            async_io::Timer::after(CONSOLIDATION_TIME).await;
            Err(Error::new("no model has answered in time"))
        };
        let asked = async {
            let reply = self.models.chat(&request, None, None).await;
            reply.map(|reply| reply.text).map_err(|e| Error::new(e.to_string()))
        };
        or(asked, late).await
    }
}
