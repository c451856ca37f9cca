//! One model of the chain: its provider, rate limit, cooldown, and the calibration of its token estimates.

use std::cell::Cell;
use std::time::{Duration, Instant};

use async_io::Timer;

use super::cooldown::{Bucket, Cooldown};
use super::tokens::{self, Calibration};
use super::{AnyProvider, ChatReply, ChatRequest, Class, Failure, OnText, Provider};
use crate::config::ModelConfig;

/// One model of the chain with its limits and what was learned about it.
pub(super) struct ModelCandidate {
    /// The provider, or the sentence that says why there is none.
    pub(super) provider: Result<AnyProvider, String>,
    pub(super) cooldown: Cell<Cooldown>,
    bucket: Cell<Bucket>,
    pub(super) calibration: Cell<Calibration>,
}

impl ModelCandidate {
    pub(super) fn new(
        provider: Result<AnyProvider, String>,
        model: &ModelConfig,
    ) -> ModelCandidate {
        if let Err(why) = &provider {
            crate::log::warn!("{why} model={}", model.model_name);
        }
        ModelCandidate {
            provider,
            cooldown: Cell::default(),
            bucket: Cell::default(),
            calibration: Cell::default(),
        }
    }

    pub(super) async fn chat(
        &self,
        request: &ChatRequest<'_>,
        stream: &AnswerStream<'_>,
    ) -> Result<ChatReply, Failure> {
        let provider = self.provider.as_ref();
        let provider = provider.map_err(|why| Failure::new(Class::Unknown, why.as_str()))?;
        let show = |text: &str| stream.show(text);
        let show: OnText<'_> = stream.on_text.map(|_| &show as &dyn Fn(&str));
        let reply = provider.chat(request, show).await?;
        self.cooldown.take();
        self.calibrate(request, &reply);
        Ok(reply)
    }

    /// Compares the estimate with the provider's token count.
    fn calibrate(&self, request: &ChatRequest<'_>, reply: &ChatReply) {
        if let Some(usage) = reply.usage {
            let mut calibration = self.calibration.get();
            calibration.note(tokens::of_request(request), usage.input);
            self.calibration.set(calibration);
        }
    }

    /// Takes one request from the entry's rate limit, or says how long until one is available.
    pub(super) fn take(&self, rpm: u32) -> Result<(), Duration> {
        let mut bucket = self.bucket.get();
        let taken = bucket.take(rpm, Instant::now());
        self.bucket.set(bucket);
        taken
    }

    pub(super) async fn wait(&self, rpm: u32) {
        while let Err(wait) = self.take(rpm) {
            Timer::after(wait).await;
        }
    }
}

/// Forwards the streamed text of an answer. Only the first attempt that streams any is shown.
pub(super) struct AnswerStream<'a> {
    pub(super) on_text: OnText<'a>,
    /// Whether some text was shown.
    pub(super) begun: Cell<bool>,
    /// Whether the attempt that was shown was interrupted.
    pub(super) over: Cell<bool>,
}

impl AnswerStream<'_> {
    fn show(&self, text: &str) {
        if let Some(on_text) = self.on_text.filter(|_| !self.over.get()) {
            self.begun.set(true);
            on_text(text);
        }
    }
}
