//! Webhooks out: a queue per sandbox, delivered in order by one task, signed as GitHub signs.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::{Notify, watch};

use super::running::Shared;

/// What becomes of deliveries that have not been sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryFault {
    /// Never arrives; the deliveries list shows a failure, so that it can be asked for again.
    Lose,
    /// Arrives twice, with the same delivery id.
    Duplicate,
    /// Waits until [`super::Running::release_webhooks`].
    Hold,
}

/// One attempt to deliver one event to one app.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) guid: String,
    pub(crate) app: u64,
    pub(crate) installation: Option<u64>,
    pub(crate) repo: Option<u64>,
    pub(crate) event: String,
    pub(crate) payload: Value,
    pub(crate) redelivery: bool,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) delivered_at: Timestamp,
    pub(crate) duration: f64,
    pub(crate) status: String,
    pub(crate) status_code: u16,
    pub(crate) response: Option<String>,
}

#[derive(Debug)]
struct Plan {
    event: Option<String>,
    fault: DeliveryFault,
    left: usize,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) deliveries: BTreeMap<u64, Delivery>,
    queue: VecDeque<u64>,
    held: Vec<u64>,
    in_flight: usize,
    plans: Vec<Plan>,
    pub(crate) wake: Arc<Notify>,
    pending: watch::Sender<usize>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            deliveries: BTreeMap::new(),
            queue: VecDeque::new(),
            held: Vec::new(),
            in_flight: 0,
            plans: Vec::new(),
            wake: Arc::new(Notify::new()),
            pending: watch::Sender::new(0),
        }
    }
}

impl Outbox {
    /// Takes a delivery in, with whatever fault is planned for it.
    pub(crate) fn push(&mut self, mut delivery: Delivery) {
        let id = delivery.id;
        let plan = self
            .plans
            .iter_mut()
            .find(|plan| plan.left > 0 && plan.event.as_ref().is_none_or(|event| *event == delivery.event));
        let fault = plan.filter(|_| !delivery.redelivery).map(|plan| {
            plan.left -= 1;
            plan.fault
        });
        match fault {
            Some(DeliveryFault::Lose) => {
                delivery.status = "failed to connect to host".to_owned();
                delivery.status_code = 502;
            }
            Some(DeliveryFault::Hold) => self.held.push(id),
            Some(DeliveryFault::Duplicate) => self.queue.extend([id, id]),
            None => self.queue.push_back(id),
        }
        self.deliveries.insert(id, delivery);
        self.changed();
    }

    pub(crate) fn plan(&mut self, event: Option<String>, fault: DeliveryFault, times: usize) {
        self.plans.push(Plan {
            event,
            fault,
            left: times,
        });
    }

    /// Forgets planned faults and lets held deliveries go, newest first when `reversed`.
    pub(crate) fn release(&mut self, reversed: bool) {
        self.plans.clear();
        let mut held = std::mem::take(&mut self.held);
        if reversed {
            held.reverse();
        }
        self.queue.extend(held);
        self.changed();
    }

    pub(crate) fn watch(&self) -> watch::Receiver<usize> {
        self.pending.subscribe()
    }

    fn changed(&self) {
        self.pending.send_replace(self.queue.len() + self.in_flight);
        self.wake.notify_one();
    }

    fn take(&mut self) -> Option<Delivery> {
        let id = self.queue.pop_front()?;
        self.in_flight += 1;
        self.deliveries.get(&id).cloned()
    }

    fn settle(&mut self, id: u64, outcome: Outcome) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(delivery) = self.deliveries.get_mut(&id) {
            delivery.delivered_at = outcome.at;
            delivery.duration = outcome.seconds;
            delivery.status = outcome.status;
            delivery.status_code = outcome.code;
            delivery.response = outcome.body;
        }
        self.changed();
    }
}

struct Outcome {
    at: Timestamp,
    seconds: f64,
    status: String,
    code: u16,
    body: Option<String>,
}

/// `sha256=<hex>` over the raw body.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    match Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
        Ok(mut mac) => {
            mac.update(body);
            format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
        }
        Err(_) => String::new(),
    }
}

/// Delivers for as long as the sandbox lives.
pub(crate) async fn deliver(shared: Arc<Shared>, client: reqwest::Client) {
    let wake = shared.lock().outbox.wake.clone();
    loop {
        let next = {
            let mut state = shared.lock();
            let next = state.outbox.take();
            next.map(|delivery| {
                let secret = state
                    .apps
                    .get(&delivery.app)
                    .map(|app| app.webhook_secret.clone());
                (delivery, secret.unwrap_or_default())
            })
        };
        match next {
            None => wake.notified().await,
            Some((delivery, secret)) => {
                let outcome = attempt(&shared, &client, &delivery, &secret).await;
                shared.lock().outbox.settle(delivery.id, outcome);
            }
        }
    }
}

async fn attempt(shared: &Shared, client: &reqwest::Client, delivery: &Delivery, secret: &str) -> Outcome {
    let body = delivery.payload.to_string();
    let started = std::time::Instant::now();
    let mut request = client
        .post(&delivery.url)
        .header("x-hub-signature-256", sign(secret, body.as_bytes()));
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let answer = request.body(body).send().await;
    let at = shared.lock().now();
    let seconds = (started.elapsed().as_secs_f64() * 100.0).round() / 100.0;
    match answer {
        Ok(answer) => {
            let code = answer.status();
            let status = if code.is_success() {
                "OK"
            } else {
                code.canonical_reason().unwrap_or("Invalid response")
            };
            Outcome {
                at,
                seconds,
                status: status.to_owned(),
                code: code.as_u16(),
                body: answer.text().await.ok(),
            }
        }
        Err(error) if error.is_timeout() => Outcome {
            at,
            seconds,
            status: "timed out".to_owned(),
            code: 504,
            body: None,
        },
        Err(_) => Outcome {
            at,
            seconds,
            status: "failed to connect to host".to_owned(),
            code: 502,
            body: None,
        },
    }
}
