//! Telling an agent what became of its proposal, at the address that the policy names for it: one POST, signed, by the
//! same client that calls targets. INVARIANT i23.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use ed25519_dalek::{Signer as _, SigningKey};
use url::Url;

use super::http::{Client, Outgoing, SendError};
use crate::domain::ids::{ProposalId, Timestamp};

/// How long an agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What callbacks are signed with (Standard Webhooks, `v1a`): a key of its own, which signs nothing else.
pub struct CallbackKey(SigningKey);

impl std::fmt::Debug for CallbackKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallbackKey(..)")
    }
}

impl CallbackKey {
    /// The key of 32 bytes that were derived from a private key for this purpose and no other.
    pub fn new(derived: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(derived))
    }
    /// The public key's 32 bytes.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
    /// `v1a,` and the signature over `id.seconds.body`, in base64 (RFC 8032).
    fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let signature = self.0.sign(format!("{id}.{}.{body}", at.seconds()).as_bytes());
        format!("v1a,{}", BASE64.encode(signature.to_bytes()))
    }
}

/// One message to an agent.
#[derive(Debug)]
pub struct Callback<'a> {
    /// Where the policy says.
    pub url: &'a Url,
    /// Whether a private address may be called.
    pub allow_private: bool,
    /// The event's id: the same however often it is sent.
    pub id: &'a str,
    /// The proposal it is about.
    pub proposal: ProposalId,
    /// When it is sent.
    pub at: Timestamp,
    /// A CloudEvent in structured mode.
    pub body: String,
}

/// Why an agent did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// It could not be sent, or nobody answered.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It was answered, and not with a 2xx.
    #[error("it answers {0}; only a 2xx says that a callback was taken")]
    Answer(u16),
}

/// Sends a message, once. A 2xx ends it; anything else is told again.
pub async fn call_back(
    client: &Client,
    key: &CallbackKey,
    callback: Callback<'_>,
) -> Result<(), CallbackError> {
    let Callback { id, at, body, .. } = callback;
    let headers = [
        ("content-type", "application/cloudevents+json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.seconds().to_string()),
        ("webhook-signature", key.sign(id, at, &body)),
    ];
    let reply = client
        .send(Outgoing {
            method: "POST",
            url: callback.url,
            body: Some(Bytes::from(body)),
            proposal: callback.proposal,
            idempotency: None,
            headers: &headers,
            timeout: PATIENCE,
            allow_private: callback.allow_private,
            kept_connection: false,
            pass: None,
        })
        .await?;
    if reply.status.is_success() {
        Ok(())
    } else {
        Err(CallbackError::Answer(reply.status.as_u16()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ed25519_dalek::{Signature, VerifyingKey};

    use super::{super::address::Lookup, *};

    fn key() -> CallbackKey {
        CallbackKey::new(&[7; 32])
    }

    #[test]
    fn a_signature_is_over_id_seconds_and_body() {
        let at: Timestamp = "2026-11-22T15:33:08.999Z".parse().unwrap();
        let signed = key().sign("sha256:ab", at, "{}");
        let bytes = BASE64.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
        let signature = Signature::from_slice(&bytes).unwrap();
        let public = VerifyingKey::from_bytes(&key().public()).unwrap();
        let text = format!("sha256:ab.{}.{{}}", at.seconds());
        public.verify_strict(text.as_bytes(), &signature).unwrap();
    }

    #[tokio::test]
    async fn i23_a_name_that_leads_home_is_called_back_only_where_that_is_allowed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lookup: Lookup = Arc::new(move |_| {
            let home = std::net::SocketAddr::from(([127, 0, 0, 1], port));
            Box::pin(async move { Ok(vec![home]) })
        });
        let client = Client::with_lookup(&lookup).unwrap();
        let url = format!("https://agent.example:{port}/hooks").parse().unwrap();
        let (key, at) = (key(), "2026-11-22T15:33:08Z".parse().unwrap());
        let call = |allow_private| {
            let callback = Callback {
                url: &url,
                allow_private,
                id: "sha256:ab",
                proposal: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap(),
                at,
                body: "{}".into(),
            };
            call_back(&client, &key, callback)
        };
        let error = call(false).await.unwrap_err();
        assert!(
            error.to_string().contains("`127.0.0.1` is not an address"),
            "{error}"
        );
        // Where it is allowed somebody is there, who hangs up.
        let (error, knocked) = tokio::join!(call(true), async {
            listener.accept().await.map(|(stream, _)| drop(stream))
        });
        knocked.unwrap();
        assert!(error.is_err());
    }
}
