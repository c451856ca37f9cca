//! The fallback chain: which model is asked, how often, and which one next.
//!
//! A candidate is retried with a growing pause, then cools down ([`super::cooldown`]) while the next is asked. When all
//! cool down, the one whose cooldown ends first is asked anyway: after a network outage of a minute a chat must not be
//! mute for an hour. Nothing here is stored on disk.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Timer;

use super::candidate::{AnswerStream, ModelCandidate};
use super::openai;
#[cfg(feature = "sign-in")]
use super::responses::Responses;
#[cfg(any(test, feature = "simulate"))]
use super::scripted;
use super::tokens::Calibration;
use super::{AnyProvider, ChatReply, ChatRequest, Class, Failure, OnText};
use crate::config::providers::{Dialect, lookup};
use crate::config::{Config, ModelConfig};
use crate::net::http::HttpClient;
use crate::sys::clock::millis;
use crate::{Error, limits};

/// All models; one value per process and configuration.
pub struct Models {
    config: Rc<Config>,
    /// One for each of `config.models`.
    entries: Vec<ModelCandidate>,
    current: RefCell<Rc<str>>,
    /// Calls so far: entries of one name take turns.
    calls: Cell<usize>,
}

/// A candidate that failed.
struct FailedAttempt {
    model: usize,
    /// What happened and how long it took; none for one in cooldown or over its rate limit.
    failure: Result<(Failure, Duration), &'static str>,
}

impl Models {
    /// Prepares every entry of `model_list`. An unusable one is warned about and fails when it is used.
    pub fn new(config: Rc<Config>, http: HttpClient) -> Models {
        let entry = |model| ModelCandidate::new(provider(model, &http), model);
        let entries = config.models.iter().map(entry).collect();
        Models::with(config, entries)
    }

    /// One scripted model without a network ([`scripted`]), with everything else of `config`.
    #[cfg(any(test, feature = "simulate"))]
    pub fn scripted(config: &Config) -> Models {
        let model = ModelConfig {
            model_name: "scripted".into(),
            provider: "scripted".into(),
            model: "scripted".into(),
            ..ModelConfig::default()
        };
        let mut config = config.clone();
        config.agent.model = model.model_name.clone();
        config.agent.fallbacks.clear();
        let entries = vec![ModelCandidate::new(
            Ok(AnyProvider::Scripted(scripted::Scripted::default())),
            &model,
        )];
        config.models = vec![model];
        Models::with(Rc::new(config), entries)
    }

    fn with(config: Rc<Config>, entries: Vec<ModelCandidate>) -> Models {
        let first = config.models.first().map_or("", |m| &m.model_name);
        let current = if config.agent.model.is_empty() { first } else { &config.agent.model };
        let current = RefCell::new(Rc::from(current));
        Models { config, entries, current, calls: Cell::new(0) }
    }

    /// The model names, in the configuration's order, without duplicates.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for model in &self.config.models {
            if !names.contains(&model.model_name.as_str()) {
                names.push(&model.model_name);
            }
        }
        names
    }

    /// The default model's name.
    pub fn current(&self) -> Rc<str> {
        self.current.borrow().clone()
    }

    /// The error of the token estimates, one line per model; for `status`.
    pub fn token_errors(&self) -> Vec<String> {
        let line = |(model, entry): (&ModelConfig, &ModelCandidate)| {
            Some(format!("{}: {}", model.model_name, entry.calibration.get().report()?))
        };
        self.config.models.iter().zip(&self.entries).filter_map(line).collect()
    }

    /// The calibration of the default model's token estimates.
    pub fn calibration(&self) -> Calibration {
        let first = self.find(&self.current()).next();
        first.map_or(Calibration::default(), |at| self.entries[at].calibration.get())
    }

    /// Makes `name` the default model until the process ends.
    pub fn set_default(&self, name: &str) -> crate::Result<()> {
        if !self.find(name).any(|_| true) {
            let known = self.names().join(", ");
            return Err(Error::new(format!("no model named `{name}`; there are: {known}")));
        }
        self.current.replace(Rc::from(name));
        Ok(())
    }

    /// Asks `model` (or the current one), then its fallbacks.
    ///
    /// `on_text` gets the text of the first attempt that streams any; if that one is interrupted, later attempts
    /// do not stream, and the reply has the whole text.
    pub async fn chat(
        &self,
        request: &ChatRequest<'_>,
        model: Option<&str>,
        on_text: OnText<'_>,
    ) -> Result<ChatReply, Failure> {
        let order = self.order(model.unwrap_or(&self.current()))?;
        let rests: Vec<bool> = self.cooling_down(&order, Instant::now());
        let last = rests.iter().rposition(|rests| !rests).unwrap_or(0);
        let stream = AnswerStream { on_text, begun: Cell::new(false), over: Cell::new(false) };
        let mut attempts = Vec::new();
        for (at, (&model, rests)) in order.iter().zip(rests).enumerate() {
            let entry = &self.entries[model];
            if rests {
                attempts.push(FailedAttempt { model, failure: Err("cooldown") });
                continue;
            }
            let rpm = self.config.models[model].rpm;
            if at < last && entry.take(rpm).is_err() {
                attempts.push(FailedAttempt { model, failure: Err("over its requests a minute") });
                continue;
            }
            if at >= last {
                entry.wait(rpm).await;
            }
            let started = Instant::now();
            let failure = match self.ask(model, request, &stream).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            if matches!(failure.class, Class::Format | Class::ContextOverflow) {
                return Err(failure);
            }
            let mut cooldown = entry.cooldown.get();
            cooldown.failed(failure.class, failure.retry_after, Instant::now());
            entry.cooldown.set(cooldown);
            attempts.push(FailedAttempt { model, failure: Ok((failure, started.elapsed())) });
        }
        Err(self.exhausted(attempts))
    }

    /// Asks one model until it answers, or until trying again is no use.
    async fn ask(
        &self,
        model: usize,
        request: &ChatRequest<'_>,
        stream: &AnswerStream<'_>,
    ) -> Result<ChatReply, Failure> {
        let entry = &self.entries[model];
        let (mut tries, mut clock_told) = (0, false);
        loop {
            let failure = match entry.chat(request, stream).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            stream.over.set(stream.begun.get());
            if failure.class == Class::Clock {
                if !std::mem::replace(&mut clock_told, true) {
                    crate::log::warn!("the clock is not set yet: the model is asked when it is");
                }
                Timer::after(limits::CLOCK_POLL).await;
                continue;
            }
            tries += 1;
            let Some(pause) = pause(&failure, tries, &self.config) else {
                let class = failure.class.name();
                crate::log::warn!("{failure} model={} class={class}", self.label(model));
                return Err(failure);
            };
            crate::log::warn!("retry {tries}: {failure} model={}", self.label(model));
            Timer::after(pause).await;
            entry.wait(self.config.models[model].rpm).await;
        }
    }

    /// Entries named `name`, or else those with this model id, with or without the provider before it.
    fn find<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        let models = &self.config.models;
        let named = models.iter().any(|m| m.model_name == name);
        let is = move |m: &ModelConfig| {
            if named {
                m.model_name == name
            } else {
                m.model == name
                    || name.split_once('/').is_some_and(|(p, id)| m.provider == p && m.model == id)
            }
        };
        models.iter().enumerate().filter(move |(_, m)| is(m)).map(|(at, _)| at)
    }

    /// Candidates in order: entries of the name, rotated at each call, then the fallbacks.
    fn order(&self, name: &str) -> Result<Vec<usize>, Failure> {
        let call = self.calls.get();
        self.calls.set(call.wrapping_add(1));
        let mut order: Vec<usize> = Vec::new();
        let mut add = |name: &str| {
            let group: Vec<usize> = self.find(name).collect();
            let turn = call % group.len().max(1);
            for &model in group[turn..].iter().chain(&group[..turn]) {
                if !order.contains(&model) {
                    order.push(model);
                }
            }
            group.first().copied()
        };
        let Some(first) = add(name) else {
            let message = match self.names().as_slice() {
                [] => no_model(name),
                names => format!("no model named `{name}`; there are: {}", names.join(", ")),
            };
            return Err(Failure::new(Class::Format, message));
        };
        let agent = &self.config.agent;
        let general = match &agent.image_fallbacks {
            own if name == agent.image_model && !own.is_empty() => own,
            _ => &agent.fallbacks,
        };
        for fallback in self.config.models[first].fallbacks.iter().chain(general) {
            if add(fallback).is_none() {
                crate::log::warn!("fallback `{fallback}` is not in model_list");
            }
        }
        Ok(order)
    }

    /// Which candidates are in cooldown; never all of them.
    fn cooling_down(&self, order: &[usize], now: Instant) -> Vec<bool> {
        let left = |&model: &usize| self.entries[model].cooldown.get().remaining(now);
        let mut rests: Vec<bool> = order.iter().map(|m| left(m).is_some()).collect();
        if rests.iter().all(|rests| *rests) {
            if let Some(soonest) = (0..order.len()).min_by_key(|&at| left(&order[at])) {
                rests[soonest] = false;
            }
        }
        rests
    }

    fn label(&self, model: usize) -> String {
        let model = &self.config.models[model];
        format!("{}/{}", model.provider, model.model)
    }

    /// A single candidate's failure unchanged, several as a list.
    fn exhausted(&self, mut attempts: Vec<FailedAttempt>) -> Failure {
        if let [FailedAttempt { model, failure: Ok((failure, _)) }] = attempts.as_mut_slice() {
            if failure.class == Class::Unknown {
                let label = self.label(*model);
                failure.message =
                    format!("fallback: unclassified error from {label}: {}", failure.message);
            }
            return failure.clone();
        }
        let mut text = format!("fallback: all {} candidates failed:", attempts.len());
        let mut last = Failure::new(Class::RateLimit, "");
        for (n, attempt) in (1..).zip(attempts) {
            let label = self.label(attempt.model);
            // Writing to a string cannot fail.
            let _ = match &attempt.failure {
                Ok((failure, took)) => write!(
                    text,
                    "\n  [{n}] {label}: {failure} (reason={}, {} ms)",
                    failure.class.name(),
                    millis(*took)
                ),
                Err(why) => write!(text, "\n  [{n}] {label}: skipped ({why})"),
            };
            if let Ok((failure, _)) = attempt.failure {
                last = failure;
            }
        }
        Failure { message: text, ..last }
    }
}

/// No entry of model_list can be used, so `name` cannot either.
fn no_model(name: &str) -> String {
    if name.is_empty() {
        return "no model is configured (`picoclaw onboard` writes an example)".to_owned();
    }
    format!(
        "model `{name}` has no API key or is not in model_list; `picoclaw config set model_list.{name}.api_keys -` \
         reads a key from standard input, and `picoclaw config check` says what else is missing"
    )
}

/// How long to wait before the same model is retried; `None` if it is not.
fn pause(failure: &Failure, tries: u32, config: &Config) -> Option<Duration> {
    let asked = failure.retry_after.unwrap_or_default();
    if !failure.class.is_retried()
        || tries > config.agent.max_llm_retries
        || asked > limits::RETRY_AFTER
    {
        return None;
    }
    Some(config.agent.llm_retry_backoff.saturating_mul(tries).max(asked))
}

/// The provider of the entry.
fn provider(model: &ModelConfig, http: &HttpClient) -> Result<AnyProvider, String> {
    if lookup(&model.provider).is_some_and(|row| row.dialect == Dialect::NotBuilt) {
        Err(format!("provider {} is not supported", model.provider))
    } else if model.signed_in.is_some() && !cfg!(feature = "sign-in") {
        let name = &model.model_name;
        Err(format!("{name} has no key, and signing in is not in this build (feature `sign-in`)"))
    } else if model.speaks_messages() {
        messages(model, http)
    } else {
        #[cfg(feature = "sign-in")]
        if model.signed_in.is_some() && model.api_base.ends_with("/codex") {
            return Responses::new(model, http.clone()).map(AnyProvider::Responses);
        }
        openai::OpenAi::new(model, http.clone()).map(AnyProvider::OpenAi)
    }
}

#[cfg(feature = "anthropic")]
fn messages(model: &ModelConfig, http: &HttpClient) -> Result<AnyProvider, String> {
    super::anthropic::Anthropic::new(model, http.clone()).map(AnyProvider::Anthropic)
}

#[cfg(not(feature = "anthropic"))]
fn messages(model: &ModelConfig, _http: &HttpClient) -> Result<AnyProvider, String> {
    Err(format!("provider {} is not in this build (feature `anthropic`)", model.provider))
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
