//! Who is at the agents' door. INVARIANT i24.

use axum::http::HeaderMap;
use secrecy::ExposeSecret as _;

use super::{
    problem::Problem,
    turn::{Bot, NotNow},
};
use crate::domain::{
    door::{AGENT, NONCE, SIGNATURE, SKEW_MILLIS, Signed, TIMESTAMP},
    ids::{AgentName, Nonce, Timestamp},
    policy::AgentKey,
    proposal::Attestation,
};
use crate::store::NonceError;

/// An agent that proved a request to be its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The agent.
    pub agent: AgentName,
    /// What stands behind it when the proposal itself carries no signature.
    pub attestation: Attestation,
}

const MISSING: &str =
    "send the headers countersign-agent, -timestamp, -nonce and -signature; `countersign propose` does";
const LATE: &str = "the timestamp is more than five minutes from the gate's clock; check the agent's clock";
const WRONG: &str =
    "the agent is not known or its signature does not hold over method, path, timestamp, nonce and body";

impl Bot {
    /// Checks that a request was made by an agent of the policy, just now, and never before.
    pub(super) async fn admit(
        &self,
        headers: &HeaderMap,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Caller, Problem> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(agent), Some(at), Some(nonce), Some(signature)) =
            (text(AGENT), text(TIMESTAMP), text(NONCE), text(SIGNATURE))
        else {
            return Err(Problem::unauthorised(MISSING));
        };
        let wrong = || Problem::unauthorised(WRONG);
        let agent: AgentName = agent.parse().map_err(|_| wrong())?;
        let timestamp: Timestamp = at.parse().map_err(|_| wrong())?;
        let nonce: Nonce = nonce.parse().map_err(|_| wrong())?;
        // The policy that is known already: a stranger's request costs no look at the base branch.
        let policy = self.policy_known().await.map_err(NotNow::into_problem)?;
        let known = policy.agent(&agent).ok_or_else(wrong)?;
        let signed = Signed {
            method,
            path,
            timestamp,
            nonce: &nonce,
            body,
        };
        match known.key() {
            AgentKey::Ed25519 { public, .. } => {
                signed.verify(signature, public).map_err(|_| wrong())?;
            }
            AgentKey::Hmac => {
                let secret = self.agent_secret(&agent).ok_or_else(wrong)?;
                signed
                    .verify_mac(signature, secret.expose_secret().as_bytes())
                    .map_err(|_| wrong())?;
            }
        }
        let now = self.now();
        if now.since(timestamp).abs() > SKEW_MILLIS {
            return Err(Problem::unauthorised(LATE));
        }
        self.store()
            .nonces()
            .admit(&agent, &nonce, timestamp, now)
            .await
            .map_err(|error| match error {
                NonceError::Used(_) => {
                    Problem::unauthorised("the nonce was used before; send every request with a new one")
                }
                NonceError::Skew { .. } => Problem::unauthorised(LATE),
                NonceError::TooMany(_) => Problem::too_many(error.to_string()),
                NonceError::Store(_) => Problem::unavailable(error.to_string()),
            })?;
        Ok(Caller {
            agent,
            attestation: Attestation::Hmac,
        })
    }
}
