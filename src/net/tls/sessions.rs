//! TLS session cache: tickets of the most recently used servers, for short handshakes.
//!
//! rustls's own store keeps eight tickets per server; ours keeps as many as we open connections at a time.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_rustls::rustls::NamedGroup;
use futures_rustls::rustls::client::{
    ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls_pki_types::ServerName;

use crate::limits::{TLS_SERVERS, TLS_TICKETS};

/// Servers, the one used last at the end.
#[derive(Default)]
pub(super) struct TlsSessionCache(Mutex<Vec<TlsServer>>);

struct TlsServer {
    name: ServerName<'static>,
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// The newest last.
    tls13: Vec<Tls13ClientSessionValue>,
}

/// Tickets are secrets.
impl fmt::Debug for TlsSessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

impl TlsSessionCache {
    fn servers(&self) -> MutexGuard<'_, Vec<TlsServer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, name: ServerName<'static>, change: impl FnOnce(&mut TlsServer)) {
        let mut servers = self.servers();
        let mut server = match servers.iter().position(|s| s.name == name) {
            Some(at) => servers.remove(at),
            None => TlsServer { name, group: None, tls12: None, tls13: Vec::new() },
        };
        change(&mut server);
        if servers.len() >= TLS_SERVERS {
            servers.remove(0);
        }
        servers.push(server);
    }

    fn with_session<T>(
        &self,
        name: &ServerName<'_>,
        take: impl FnOnce(&mut TlsServer) -> Option<T>,
    ) -> Option<T> {
        self.servers().iter_mut().find(|s| s.name == *name).and_then(take)
    }
}

impl ClientSessionStore for TlsSessionCache {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.edit(name, |s| s.group = Some(group));
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.with_session(name, |s| s.group)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.edit(name, |s| s.tls12 = Some(value));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.with_session(name, |s| s.tls12.clone())
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.with_session(name, |s| s.tls12.take());
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.edit(name, |s| {
            if s.tls13.len() >= TLS_TICKETS {
                s.tls13.remove(0);
            }
            s.tls13.push(value);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        // A ticket is used once: reusing it would let an observer link the two connections.
        self.with_session(name, |s| s.tls13.pop())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_rustls::rustls::client::Resumption;
    use futures_rustls::rustls::crypto::ring;
    use futures_rustls::rustls::{
        ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig,
        ServerConnection,
    };
    use rustls_pki_types::PrivateKeyDer;

    use super::*;

    fn name(n: usize) -> ServerName<'static> {
        ServerName::try_from(format!("s{n}.example")).unwrap()
    }

    #[test]
    fn the_servers_used_last_are_remembered() {
        let sessions = TlsSessionCache::default();
        for n in 0..=TLS_SERVERS {
            sessions.set_kx_hint(name(n), NamedGroup::X25519);
            sessions.set_kx_hint(name(0), NamedGroup::secp256r1);
        }
        assert_eq!(sessions.servers().len(), TLS_SERVERS);
        assert_eq!(sessions.kx_hint(&name(0)), Some(NamedGroup::secp256r1));
        assert_eq!(sessions.kx_hint(&name(1)), None);
        assert_eq!(sessions.kx_hint(&name(TLS_SERVERS)), Some(NamedGroup::X25519));
        assert!(sessions.take_tls13_ticket(&name(0)).is_none());
        assert!(sessions.tls12_session(&name(7)).is_none());
    }

    /// How a connection in memory began.
    fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
        let mut client = ClientConnection::new(client.clone(), name(0)).unwrap();
        let mut server = ServerConnection::new(server.clone()).unwrap();
        for _ in 0..4 {
            let mut bytes = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut bytes).unwrap();
            }
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            bytes.clear();
            while server.wants_write() {
                server.write_tls(&mut bytes).unwrap();
            }
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
        client.handshake_kind().unwrap()
    }

    #[test]
    fn the_second_handshake_is_short_and_tickets_are_few() {
        let made = rcgen::generate_simple_self_signed(vec!["s0.example".into()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(ring::default_provider());
        for (version, tickets) in [
            (&futures_rustls::rustls::version::TLS13, TLS_TICKETS + 3),
            (&futures_rustls::rustls::version::TLS12, 0),
        ] {
            let mut server = ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key.clone_key())
                .unwrap();
            server.send_tls13_tickets = tickets;
            let mut client = ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            let sessions = Arc::new(TlsSessionCache::default());
            client.resumption = Resumption::store(sessions.clone());
            let (client, server) = (Arc::new(client), Arc::new(server));
            assert_eq!(handshake(&client, &server), HandshakeKind::Full);
            assert_eq!(sessions.servers()[0].tls13.len(), tickets.min(TLS_TICKETS));
            assert_eq!(handshake(&client, &server), HandshakeKind::Resumed);
            assert_eq!(sessions.servers().len(), 1);
        }
    }
}
