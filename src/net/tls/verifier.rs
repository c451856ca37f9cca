//! Who a server is: rustls's own check, with a set of roots that lives for one handshake.
//!
//! rustls wants the roots as one list on the heap. The built-in ones are constants of the program; their list would
//! take 12 kB for ever, and is made in microseconds.

use std::sync::Arc;

use futures_rustls::rustls::client::WebPkiServerVerifier;
use futures_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use futures_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use futures_rustls::rustls::{
    DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};

/// Trusts the built-in roots and `extra`.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) extra: Vec<TrustAnchor<'static>>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn roots(&self) -> RootCertStore {
        let built_in = webpki_roots::TLS_SERVER_ROOTS;
        let mut roots = Vec::with_capacity(built_in.len() + self.extra.len());
        roots.extend_from_slice(built_in);
        roots.extend_from_slice(&self.extra);
        RootCertStore { roots }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let roots = Arc::new(self.roots());
        WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .map_err(|e| Error::Other(OtherError(Arc::new(e))))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
