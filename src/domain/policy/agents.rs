//! `agents.yaml`: which agents may propose what, who answers for them, and how they sign.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::{
    error::{Errors, Rule},
    people::{Account, People},
    url_template::UrlTemplate,
};
use crate::domain::{
    ids::{AccountId, ActionName, AgentName, KeyId, PersonName},
    source::Node,
};

/// How an agent signs its proposals (INVARIANT i04).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentKey {
    /// An Ed25519 public key; the signature travels in the proposal.
    Ed25519 {
        /// The key's fingerprint.
        id: KeyId,
        /// The public key: a point of the curve, and none of small order.
        public: Box<VerifyingKey>,
    },
    /// A shared secret from the operator's settings; what it signs is only attested by the gate.
    Hmac,
}

/// Where an agent is told what becomes of its proposals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    url: Url,
    allow_private: bool,
}

impl Callback {
    /// Where to.
    pub fn url(&self) -> &Url {
        &self.url
    }
    /// Whether a private address may be called (INVARIANT i23).
    pub fn allow_private(&self) -> bool {
        self.allow_private
    }
    /// An address without parameters; the rules are those of the catalog's.
    fn read(text: &str, allow_private: bool) -> Result<Self, String> {
        let template = UrlTemplate::parse(text, allow_private)
            .map_err(|message| message.replace("allow_private", "callback_private"))?;
        if template.params().next().is_some() {
            return Err("an agent's address takes no parameters; the callback names its proposal".into());
        }
        let url = template
            .fill(&serde_json::Value::Null)
            .map_err(|error| error.to_string())?;
        Ok(Self { url, allow_private })
    }
}

/// A program that may propose actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    name: AgentName,
    summary: Option<String>,
    sponsor: PersonName,
    account: Option<Account>,
    key: AgentKey,
    actions: Vec<ActionName>,
    callback: Option<Callback>,
}

impl Agent {
    /// The agent's name.
    pub fn name(&self) -> &AgentName {
        &self.name
    }
    /// What the agent does, in a line.
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }
    /// The person who answers for the agent and never approves for it (INVARIANT i08).
    pub fn sponsor(&self) -> &PersonName {
        &self.sponsor
    }
    /// The GitHub account whose pull requests are this agent's.
    pub fn account(&self) -> Option<&Account> {
        self.account.as_ref()
    }
    /// How the agent signs.
    pub fn key(&self) -> &AgentKey {
        &self.key
    }
    /// The actions the agent may propose.
    pub fn actions(&self) -> &[ActionName] {
        &self.actions
    }
    /// Where the agent is told what becomes of its proposals.
    pub fn callback(&self) -> Option<&Callback> {
        self.callback.as_ref()
    }
    /// Whether the agent may propose an action.
    pub fn may_propose(&self, action: &ActionName) -> bool {
        self.actions.contains(action)
    }
}

/// Every agent in `agents.yaml`.
#[derive(Debug, Clone, Default)]
pub(super) struct Agents {
    by_name: BTreeMap<AgentName, Agent>,
    by_account: BTreeMap<AccountId, AgentName>,
}

impl Agents {
    pub(super) fn get(&self, name: &AgentName) -> Option<&Agent> {
        self.by_name.get(name)
    }
    pub(super) fn of_account(&self, id: AccountId) -> Option<&Agent> {
        self.get(self.by_account.get(&id)?)
    }
    pub(super) fn all(&self) -> impl Iterator<Item = &Agent> {
        self.by_name.values()
    }
}

/// A program that may propose actions.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAgent {
    /// What it does, in a line.
    summary: Option<String>,
    /// The person who answers for it and never approves for it, of people.yaml.
    sponsor: PersonName,
    /// The GitHub account whose pull requests are this agent's.
    account: Option<Account>,
    /// How it signs its proposals.
    key: RawKey,
    /// The actions it may propose, of catalog.yaml.
    actions: Vec<ActionName>,
    /// Where it is told when a proposal opens, needs changes, or ends; `https`, unless private addresses may be called.
    callback_url: Option<String>,
    /// Whether that may be a private address, of this network or machine.
    #[serde(default)]
    callback_private: bool,
}

/// How an agent signs.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum RawKey {
    /// The line of its `.pub` file, as in `ssh-ed25519 AAAA...`.
    Ed25519(String),
    /// A shared secret of the operator's settings, never of this file.
    Hmac(NoFields),
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoFields {}

/// The names of the agents in a file, whatever else is wrong with it.
pub(super) fn names(list: &Node) -> BTreeSet<&str> {
    list.entries().iter().map(|(key, _)| key.text()).collect()
}

/// Reads `agents.yaml`; agents with errors are left out.
pub(super) fn read(list: &Node, people: &People, actions: &BTreeSet<&str>, errors: &mut Errors) -> Agents {
    let mut agents = Agents::default();
    errors.mapping(list, "a mapping from each agent's name to the agent");
    let mut keys: BTreeMap<[u8; 32], AgentName> = BTreeMap::new();
    let mut logins: BTreeMap<String, AgentName> = BTreeMap::new();
    for (key, node) in list.entries() {
        let name: AgentName = match key.text().parse() {
            Ok(name) => name,
            Err(error) => {
                errors.add(Rule::Syntax, key.mark(), error.to_string());
                continue;
            }
        };
        let raw: RawAgent = match node.decode() {
            Ok(raw) => raw,
            Err(fault) => {
                errors.fault(Rule::Syntax, fault);
                continue;
            }
        };
        if !people.mentions(raw.sponsor.as_str()) {
            let mark = node.mark_at("/sponsor");
            errors.unknown(mark, "person", raw.sponsor.as_str(), people.names());
        }
        for (action, index) in raw.actions.iter().zip(0..) {
            let mark = node.mark_at(&format!("/actions/{index}"));
            if !actions.contains(action.as_str()) {
                errors.unknown(mark, "action", action.as_str(), actions.iter().copied());
            }
            if raw.actions.iter().take(index).any(|other| other == action) {
                errors.add(
                    Rule::Duplicate,
                    mark,
                    format!("the action `{action}` appears twice"),
                );
            }
        }
        if let Some(account) = &raw.account {
            let login = account.login().as_str().to_ascii_lowercase();
            let person = people
                .of_account(account.id())
                .or_else(|| people.of_login(&login))
                .map(|person| format!("the person `{}`", person.name()));
            let agent = agents
                .by_account
                .get(&account.id())
                .or_else(|| logins.get(&login))
                .map(|agent| format!("the agent `{agent}`"));
            if let Some(other) = person.or(agent) {
                let message = format!(
                    "the account `{}` ({}) already belongs to {other}; give the agent its own",
                    account.login(),
                    account.id()
                );
                errors.add(Rule::Duplicate, node.mark_at("/account"), message);
            }
            agents.by_account.insert(account.id(), name.clone());
            logins.insert(login, name.clone());
        }
        let key = match raw.key {
            RawKey::Hmac(NoFields {}) => AgentKey::Hmac,
            RawKey::Ed25519(text) => match read_key(&text) {
                Ok((id, public)) => {
                    if let Some(other) = keys.insert(public.to_bytes(), name.clone()) {
                        let message = format!("`{other}` has the same key; give each its own");
                        errors.add(Rule::Duplicate, node.mark_at("/key/ed25519"), message);
                    }
                    AgentKey::Ed25519 { id, public }
                }
                Err(message) => {
                    errors.add(Rule::Key, node.mark_at("/key/ed25519"), message);
                    continue;
                }
            },
        };
        let callback = match raw.callback_url.as_deref() {
            Some(url) => Callback::read(url, raw.callback_private)
                .map_err(|message| errors.add(Rule::Connector, node.mark_at("/callback_url"), message))
                .ok(),
            None => None,
        };
        let agent = Agent {
            name: name.clone(),
            summary: raw.summary,
            sponsor: raw.sponsor,
            account: raw.account,
            key,
            actions: raw.actions,
            callback,
        };
        agents.by_name.insert(name, agent);
    }
    agents
}

fn read_key(text: &str) -> Result<(KeyId, Box<VerifyingKey>), String> {
    const HOW: &str = "paste the line of the `.pub` file, as in `ssh-ed25519 AAAA...`";
    let key =
        ssh_key::PublicKey::from_openssh(text.trim()).map_err(|_| format!("not an SSH public key; {HOW}"))?;
    let ed25519 = key
        .key_data()
        .ed25519()
        .ok_or_else(|| format!("the key is `{}`, not `ssh-ed25519`; {HOW}", key.algorithm()))?;
    let public = VerifyingKey::from_bytes(&ed25519.0)
        .ok()
        .filter(|key| !key.is_weak());
    let public = public.ok_or("the key is not a usable point of the curve; make a new one")?;
    let id = key.fingerprint(ssh_key::HashAlg::Sha256).to_string();
    Ok((
        id.parse().map_err(|_| format!("not an SSH public key; {HOW}"))?,
        Box::new(public),
    ))
}
