//! TLS against a server whose certificate is made here.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::{
    self, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};
use picoclaw::net::http::{HttpClient, HttpErrorKind, Options, Request};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::wire::{Peer, Server, client, fetch, get, serve};

/// A CA's PEM text and a server configuration with a certificate of that CA.
struct Tls {
    name: String,
    ca: String,
    config: Arc<ServerConfig>,
}

fn tls(name: &str, versions: &[&'static SupportedProtocolVersion]) -> Tls {
    let ca_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&ca_key).expect("a CA");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("parameters");
    let certificate =
        params.signed_by(&key, &Issuer::from_params(&authority, &ca_key)).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a configuration");
    Tls { name: name.to_owned(), ca: ca.pem(), config: Arc::new(config) }
}

impl Tls {
    fn client(&self) -> HttpClient {
        self.client_with(Options::plain())
    }

    /// One that trusts the CA; its file is read now and here only.
    fn client_with(&self, options: Options) -> HttpClient {
        let name = format!("picoclaw-{}-{}.pem", self.name, std::process::id());
        let file = std::env::temp_dir().join(name);
        std::fs::write(&file, &self.ca).expect("a file");
        let client = HttpClient::with(Options { cert_file: Some(file.clone()), ..options });
        std::fs::remove_file(&file).expect("removed");
        client.expect("a client")
    }

    /// The same connection with TLS on it.
    fn over(&self, peer: &Peer) -> Peer<StreamOwned<ServerConnection, TcpStream>> {
        let session = ServerConnection::new(Arc::clone(&self.config)).expect("a session");
        let tcp = peer.stream.try_clone().expect("a descriptor");
        peer.over(StreamOwned::new(session, tcp))
    }

    /// Answers every request with `path body-length`.
    fn serve(self: &Arc<Tls>) -> Server {
        let tls = Arc::clone(self);
        serve(move |_, peer| {
            let mut peer = tls.over(peer);
            while let Some(request) = peer.request() {
                let (head, body) = request.split_once("\r\n\r\n").expect("a head");
                let path = head.split(' ').nth(1).unwrap_or_default();
                peer.answer(&format!("{path} {}", body.len()));
            }
        })
    }
}

fn trusting(file: &Path) -> picoclaw::Result<HttpClient> {
    HttpClient::with(Options { cert_file: Some(file.to_owned()), ..Options::plain() })
}

fn url(server: &Server, path: &str) -> String {
    format!("https://{}{path}", server.addr)
}

#[track_caller]
fn check_version(name: &str, version: &'static SupportedProtocolVersion) {
    let tls = Arc::new(tls(name, &[version]));
    let server = tls.serve();
    let client = tls.client();
    assert_eq!(get(&client, &url(&server, "/a")).expect("an answer").1, "/a 0");
    // Session tickets, which came before the answer, do not make the idle connection look broken.
    let long = vec![b'x'; 700_000];
    let post = url(&server, "/b");
    let got = fetch(&client, Request::post_json(&post, &long)).expect("an answer");
    assert_eq!(got.1, "/b 700000");
    assert_eq!(server.connections(), 1);
    client.close_idle();
    let named = format!("https://localhost:{}/c", server.addr.port());
    assert_eq!(get(&client, &named).expect("an answer").1, "/c 0");
}

#[test]
fn version_1_3() {
    check_version("v13", &rustls::version::TLS13);
}

#[test]
fn version_1_2() {
    check_version("v12", &rustls::version::TLS12);
}

#[test]
fn certificates_are_judged() {
    let tls = Arc::new(tls("judge", rustls::ALL_VERSIONS));
    let server = tls.serve();
    let e = get(&client(), &url(&server, "/secret")).expect_err("an unknown issuer");
    assert_eq!(e.kind, HttpErrorKind::Connect);
    assert!(e.message.contains("UnknownIssuer") && !e.message.contains("secret"), "{e}");
    let plain = serve(|_, peer| peer.send("HTTP/1.1 400 Bad\r\n\r\n"));
    let e = get(&tls.client(), &url(&plain, "/")).expect_err("no TLS");
    assert_eq!(e.kind, HttpErrorKind::Connect);
}

#[test]
fn a_name_that_the_certificate_does_not_have() {
    let tls = Arc::new(tls("name", rustls::ALL_VERSIONS));
    let server = tls.serve();
    let options = Options {
        lookup: |_| Ok(vec!["127.0.0.1:0".parse().expect("an address")]),
        ..Options::plain()
    };
    let client = tls.client_with(options);
    let url = format!("https://other.test:{}/", server.addr.port());
    let e = get(&client, &url).expect_err("another name");
    assert_eq!(e.kind, HttpErrorKind::Connect);
    assert!(e.message.contains("other.test"), "{e}");
}

#[test]
fn https_through_a_tunnel() {
    let tls = Arc::new(tls("tunnel", rustls::ALL_VERSIONS));
    let behind = Arc::clone(&tls);
    let proxy = serve(move |_, peer| {
        peer.request();
        peer.send("HTTP/1.1 200 OK\r\n\r\n");
        let mut peer = behind.over(peer);
        while peer.request().is_some() {
            peer.answer("inside");
        }
    });
    let at = proxy.addr.to_string();
    let client = tls.client();
    let request = Request { proxy: &at, ..Request::get("https://localhost/x") };
    assert_eq!(fetch(&client, request).expect("an answer").1, "inside");
    // Under a guard the proxy gets the address, the server its name.
    let guarded =
        Request { proxy: &at, guard: Some(&|_| true), ..Request::get("https://localhost/y") };
    assert_eq!(fetch(&client, guarded).expect("an answer").1, "inside");
    let heard = proxy.heard();
    assert!(heard[0].starts_with("CONNECT localhost:443 "), "{}", heard[0]);
    assert!(heard[1].starts_with("GET /x HTTP/1.1\r\nHost: localhost\r\n"), "{}", heard[1]);
    let by_address = ["CONNECT 127.0.0.1:443 ", "CONNECT [::1]:443 "];
    assert!(by_address.iter().any(|a| heard[2].starts_with(a)), "{}", heard[2]);
    assert!(heard[3].starts_with("GET /y HTTP/1.1\r\nHost: localhost\r\n"), "{}", heard[3]);
}

#[test]
fn a_clock_that_is_not_set() {
    assert!(picoclaw::net::clock_is_set());
    let server = serve(|_, peer| {
        peer.request();
        peer.answer("x");
    });
    let client =
        HttpClient::with(Options { clock: || false, ..Options::plain() }).expect("a client");
    let e = get(&client, &url(&server, "/")).expect_err("no time");
    assert_eq!((e.kind, server.connections()), (HttpErrorKind::Clock, 0));
    assert_eq!(get(&client, &server.url("/")).expect("an answer").1, "x");
}

#[track_caller]
fn check_file(name: &str, content: Option<&str>, want: &str) {
    let file = std::env::temp_dir().join(format!("picoclaw-{name}-{}", std::process::id()));
    if let Some(content) = content {
        std::fs::write(&file, content).expect("a file");
    }
    let got = trusting(&file).err().map(|e| e.to_string()).unwrap_or_default();
    let _ = std::fs::remove_file(&file);
    assert!(got.starts_with(&format!("SSL_CERT_FILE {}: {want}", file.display())), "{got}");
}

#[test]
fn files_without_roots() {
    check_file("missing", None, "No such file");
    check_file("empty", Some(""), "no certificate in it");
    check_file("text", Some("hello\n"), "no certificate in it");
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    check_file("base64", Some(broken), "not PEM");
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    check_file("junk", Some(junk), "no usable certificate in it");
}
