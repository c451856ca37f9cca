//! Servers: does each configured one answer, over TLS that holds, and does it take our key?

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use smol::future::or;

use super::findings::Severity::{self, Bad, Good, Warning};
use super::findings::{CLOCK, Reporter};
use crate::config::providers::Quirk;
use crate::config::{Config, ModelConfig};
use crate::limits::{DOCTOR_CLOCK, DOCTOR_SERVERS, DOCTOR_WAIT};
use crate::net::http::{HttpClient, HttpError, HttpErrorKind, Request};
use crate::proto::date;
use crate::provider::exchange::{self, Endpoint};
use crate::sys::clock;

/// One server to be asked.
struct ProviderServer {
    name: String,
    url: String,
    headers: Vec<(String, String)>,
    proxy: String,
    /// A 401 means that what we sent is wrong.
    keyed: bool,
}

/// Grade, check, what, what to do, and how far the server's clock is from ours.
type CheckResult = (Severity, &'static str, String, &'static str, Option<i64>);

/// One of them on its way.
type PendingCheck<'a> = Pin<Box<dyn Future<Output = CheckResult> + 'a>>;

const SILENT: &str = "is the network up, a proxy needed, or a firewall in the way?";

/// Asks all of them side by side; certificates are not judged while the clock is not `set`.
pub async fn check_servers(out: &mut Reporter, config: &Config, set: bool) {
    let client = match HttpClient::new() {
        Ok(client) => client,
        Err(e) => {
            let cure = "correct the variable, or unset it";
            return out.note(Bad, "environment", &e.to_string(), cure);
        }
    };
    let mut servers = servers(out, config);
    if servers.len() > DOCTOR_SERVERS {
        let what = format!("{} servers, the first {DOCTOR_SERVERS} are asked", servers.len());
        out.note(Warning, "network", &what, "");
        servers.truncate(DOCTOR_SERVERS);
    }
    let asked: Vec<PendingCheck<'_>> = servers
        .iter()
        .map(|server| Box::pin(check_server(&client, server)) as PendingCheck<'_>)
        .collect();
    let mut skew = None;
    let mut named = !asked.is_empty();
    for (grade, check, what, cure, away) in side_by_side(asked).await {
        named &= check != "dns";
        out.note(grade, check, &what, cure);
        skew = skew.or(away);
    }
    if named {
        out.note(Good, "dns", "every server's name was found", "");
    }
    if let Some(away) = skew.filter(|s| set && s.abs() > DOCTOR_CLOCK) {
        let what = format!("{} s away from the servers'", away.abs());
        out.note(Bad, "clock", &what, CLOCK);
    }
}

/// What all come to, in order.
async fn side_by_side(mut asked: Vec<PendingCheck<'_>>) -> Vec<CheckResult> {
    let mut found: Vec<Option<CheckResult>> = asked.iter().map(|_| None).collect();
    poll_fn(|cx| {
        let mut open = false;
        for (future, slot) in asked.iter_mut().zip(&mut found) {
            if slot.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(done) => *slot = Some(done),
                    Poll::Pending => open = true,
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    found.into_iter().flatten().collect()
}

async fn check_server(client: &HttpClient, server: &ProviderServer) -> CheckResult {
    // With a time limit of its own: a dead resolver and a dead server are two things.
    let found = match client.resolve(&server.url, &server.proxy).await {
        Ok(found) => found,
        Err(e) => return failed(server, &e),
    };
    let late = async {
        async_io::Timer::after(DOCTOR_WAIT).await;
        let (name, limit) = (&server.name, DOCTOR_WAIT.as_secs());
        let what = format!("{name} at {found:?}: no answer within {limit} s");
        (Bad, "network", what, SILENT, None)
    };
    or(ask(client, server), late).await
}

fn servers(out: &mut Reporter, config: &Config) -> Vec<ProviderServer> {
    let mut all: Vec<ProviderServer> = Vec::new();
    for channel in config.channels.iter().filter(|channel| channel.enabled) {
        let Some(server) = channel.settings.server() else { continue };
        all.push(ProviderServer {
            name: format!("{} ({})", channel.name, exchange::host(&server.url)),
            url: server.url,
            headers: Vec::new(),
            proxy: server.proxy,
            keyed: true,
        });
    }
    for model in &config.models {
        match server(model) {
            // Several models of one account are one server.
            Ok(server)
                if all.iter().any(|s| s.url == server.url && s.headers == server.headers) => {}
            Ok(server) => all.push(server),
            Err(e) => out.note(Bad, "config", &e, "correct the model's entry in model_list"),
        }
    }
    if all.is_empty() {
        out.note(
            Warning,
            "network",
            "no server is configured",
            "give a model of model_list its key, or enable a channel; without a configuration, `picoclaw onboard` writes one",
        );
    }
    all
}

fn server(model: &ModelConfig) -> Result<ProviderServer, String> {
    let key = model.api_key.expose();
    let native = model.speaks_messages();
    let mut ours = Vec::new();
    if native {
        ours.push(("anthropic-version", "2023-06-01".to_owned()));
    }
    if !key.is_empty() {
        ours.push(if model.has(Quirk::ApiKeyField) {
            ("api-key", key.to_owned())
        } else if native && !key.starts_with("sk-ant-oat") {
            ("x-api-key", key.to_owned())
        } else {
            ("authorization", format!("Bearer {key}"))
        });
    }
    let base = model.api_base.trim_end_matches('/');
    let base = if native && !base.ends_with("/v1") { format!("{base}/v1") } else { base.into() };
    let to = Endpoint::new(model, exchange::endpoint(&base, "/models"), ours)?;
    Ok(ProviderServer {
        name: format!("{} ({})", model.model_name, exchange::host(&base)),
        keyed: !key.is_empty(),
        url: to.url,
        headers: to.headers,
        proxy: to.proxy,
    })
}

async fn ask(client: &HttpClient, server: &ProviderServer) -> CheckResult {
    let name = &server.name;
    let headers: Vec<(&str, &str)> = server.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    let request = Request { headers: &headers, proxy: &server.proxy, ..Request::get(&server.url) };
    let response = match client.send(request).await {
        Ok(response) => response,
        Err(e) => return failed(server, &e),
    };
    let away = response.header("date").and_then(date::parse_http).map(|t| t - clock::unix_now());
    let what = format!("{name}: answers with status {}", response.status);
    match response.status {
        401 | 403 | 404
            if server.keyed && (server.headers.is_empty() || response.status != 404) =>
        {
            let what = format!("{name}: refuses our key or token (status {})", response.status);
            (
                Bad,
                "key",
                what,
                "put in a new one: api_keys of the model, or the bot's token from @BotFather",
                away,
            )
        }
        407 => (Bad, "proxy", what, "the proxy wants a user and a password in its URL", away),
        500.. => (Warning, "network", what, "the server is in trouble; try again later", away),
        _ => (Good, "network", what, "", away),
    }
}

fn failed(server: &ProviderServer, e: &HttpError) -> CheckResult {
    let (check, cure) = about(e);
    (Bad, check, format!("{}: {e}", server.name), cure, None)
}

/// The check that an error belongs to, and the cure.
fn about(e: &HttpError) -> (&'static str, &'static str) {
    match e.kind {
        HttpErrorKind::Resolve => (
            "dns",
            "is the name right, the network up (`ip addr`), and a name server in /etc/resolv.conf that answers?",
        ),
        HttpErrorKind::Clock => ("tls", CLOCK),
        HttpErrorKind::Url | HttpErrorKind::Guarded => ("config", "correct the URL"),
        HttpErrorKind::Connect if e.message.contains("TLS: ") => (
            "tls",
            "is the clock right, is it the right server, does a proxy put in its own certificate? SSL_CERT_FILE adds roots",
        ),
        HttpErrorKind::Connect if e.message.contains("proxy ") => {
            ("proxy", "is the proxy's URL right, and does it let this server through?")
        }
        HttpErrorKind::Connect | HttpErrorKind::Timeout => (
            "network",
            "is the address right (api_base, base_url, proxy), does the server run, is a firewall in the way?",
        ),
        HttpErrorKind::Broken | HttpErrorKind::Protocol => {
            ("network", "something else than the server answers there: is the port right?")
        }
    }
}
