//! What agents do: signed requests through the door, and what they propose.

use std::time::Duration;

use base64::Engine as _;
use countersign::domain::{
    door::{AGENT, NONCE, SIGNATURE, Signed, TIMESTAMP},
    ids::{Nonce, Timestamp},
    request::Request,
};
use serde_json::{Value, json};

use super::{Opened, World};

impl World {
    /// An agent's request, signed, as JSON.
    pub(crate) fn request(&self, agent: &str, body: Value) -> Value {
        let mut request: Request = serde_json::from_value(with_nonce(body)).unwrap();
        if !self.secrets.contains_key(agent) {
            request.sign(&self.keys[agent]).unwrap();
        }
        serde_json::to_value(request).unwrap()
    }

    /// An agent's private key, as it stands in its file.
    pub(crate) fn agent_key(&self, agent: &str) -> String {
        let pair = ssh_key::private::Ed25519Keypair::from_seed(&self.keys[agent].to_bytes());
        let key = ssh_key::PrivateKey::new(pair.into(), "").unwrap();
        key.to_openssh(ssh_key::LineEnding::LF).unwrap().to_string()
    }

    /// Sends bytes through the door as an agent; status and answer.
    pub(crate) async fn send(
        &self,
        agent: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> (u16, Value) {
        let mut headers = self.signed(agent, method, path, body);
        headers.push(("content-type".to_owned(), kind.to_owned()));
        self.raw(method, path, &headers, body.to_vec()).await
    }

    /// The headers that prove a request to be an agent's, made now.
    pub(crate) fn signed(&self, agent: &str, method: &str, path: &str, body: &[u8]) -> Vec<(String, String)> {
        let nonce: Nonce = fresh().parse().unwrap();
        self.signed_at(agent, method, path, body, self.time(), &nonce)
    }

    /// The headers that prove a request to be an agent's.
    pub(crate) fn signed_at(
        &self,
        agent: &str,
        method: &str,
        path: &str,
        body: &[u8],
        timestamp: Timestamp,
        nonce: &Nonce,
    ) -> Vec<(String, String)> {
        let signed = Signed {
            method,
            path,
            timestamp,
            nonce,
            body,
        };
        let signature = match self.secrets.get(agent) {
            Some(secret) => signed.mac(secret.as_bytes()).unwrap(),
            None => signed.sign(&self.keys[agent]),
        };
        let headers = [
            (AGENT, agent.to_owned()),
            (TIMESTAMP, timestamp.to_string()),
            (NONCE, nonce.as_str().to_owned()),
            (SIGNATURE, signature),
        ];
        headers.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// Sends anything to the bot; status and answer.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> (u16, Value) {
        let mut request = self
            .http
            .request(method.parse().unwrap(), format!("http://{}{path}", self.address))
            .body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// Proposes; status and answer.
    pub(crate) async fn propose(&self, agent: &str, body: Value) -> (u16, Value) {
        let request = self.request(agent, body);
        self.send(
            agent,
            "POST",
            "/api/v1/proposals",
            "application/json",
            request.to_string().as_bytes(),
        )
        .await
    }

    pub(crate) async fn status(&self, agent: &str, id: &str) -> Value {
        self.send(
            agent,
            "GET",
            &format!("/api/v1/proposals/{id}"),
            "application/json",
            b"",
        )
        .await
        .1
    }

    /// Proposes something that needs review; the proposal as it is told of.
    pub(crate) async fn open(&mut self, agent: &'static str, body: Value) -> Opened {
        let (status, answer) = self.propose(agent, body).await;
        assert_eq!(status, 202, "{answer:#}");
        self.settle().await;
        let id = answer["id"].as_str().unwrap().to_owned();
        let told = self.status(agent, &id).await;
        let pull = told["pull_request"]
            .as_u64()
            .unwrap_or_else(|| panic!("no pull request: {told:#}"));
        // GitHub counts in seconds: what people do next comes visibly after the branch was made.
        self.both_later(Duration::from_secs(2));
        Opened { id, pull, agent }
    }

    /// A payment of 12,500.00 EUR: high tier, two people of different teams.
    pub(crate) async fn payment(&mut self) -> Opened {
        self.open("payments-agent", payment()).await
    }

    /// A campaign to 4,200 contacts: medium tier, one approval.
    pub(crate) async fn campaign(&mut self) -> Opened {
        self.open("campaign-agent", campaign()).await
    }
}

pub(crate) fn fresh() -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>())
}

fn with_nonce(mut body: Value) -> Value {
    if body.get("nonce").is_none() {
        body["nonce"] = json!(fresh());
    }
    body
}

pub(crate) fn payment() -> Value {
    json!({
        "operation": "payments.create",
        "sponsor": "carol",
        "parameters": {
            "supplier_id": "acme-ltd",
            "amount": { "minor": 1_250_000, "currency": "EUR" },
            "reference": "INV-2026-118",
            "iban": "DE89370400440532013000",
        },
        "justification": "Invoice INV-2026-118 is due on Friday and matches the delivery.",
    })
}

pub(crate) fn campaign() -> Value {
    json!({
        "operation": "campaigns.send",
        "sponsor": "erin",
        "parameters": {
            "segment_id": "spring-customers",
            "subject": "Autumn news",
            "body": "Hello from Acme.",
        },
        "justification": "The autumn newsletter, as planned.",
    })
}

pub(crate) fn note() -> Value {
    json!({
        "operation": "crm.note",
        "sponsor": "erin",
        "parameters": { "customer_id": "C-1001", "text": "Called back, all is well." },
        "justification": "Follow-up of ticket 88.",
    })
}
