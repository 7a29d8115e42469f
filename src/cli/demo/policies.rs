//! The demo's `policies/`: the starter set with this run's addresses, accounts and keys put in.

use crate::domain::source::SourceFile;

/// The starter set that `countersign init` writes.
pub const STARTER: &[(&str, &str)] = &[
    ("CODEOWNERS", include_str!("../../../policies/CODEOWNERS")),
    ("README.md", include_str!("../../../policies/README.md")),
    ("agents.yaml", AGENTS),
    ("catalog.yaml", include_str!("../../../policies/catalog.yaml")),
    (
        "checks/brand.yaml",
        include_str!("../../../policies/checks/brand.yaml"),
    ),
    (
        "checks/consent.yaml",
        include_str!("../../../policies/checks/consent.yaml"),
    ),
    (
        "checks/export-fields.rego",
        include_str!("../../../policies/checks/export-fields.rego"),
    ),
    (
        "checks/pii.yaml",
        include_str!("../../../policies/checks/pii.yaml"),
    ),
    (
        "checks/text.yaml",
        include_str!("../../../policies/checks/text.yaml"),
    ),
    (
        "checks/working-hours.yaml",
        include_str!("../../../policies/checks/working-hours.yaml"),
    ),
    ("people.yaml", PEOPLE),
    (
        "tests/access.yaml",
        include_str!("../../../policies/tests/access.yaml"),
    ),
    (
        "tests/contracts.yaml",
        include_str!("../../../policies/tests/contracts.yaml"),
    ),
    (
        "tests/customers.yaml",
        include_str!("../../../policies/tests/customers.yaml"),
    ),
    (
        "tests/exports.yaml",
        include_str!("../../../policies/tests/exports.yaml"),
    ),
    (
        "tests/finance.yaml",
        include_str!("../../../policies/tests/finance.yaml"),
    ),
    (
        "tests/infrastructure.yaml",
        include_str!("../../../policies/tests/infrastructure.yaml"),
    ),
    (
        "tests/marketing.yaml",
        include_str!("../../../policies/tests/marketing.yaml"),
    ),
    ("tiers.yaml", include_str!("../../../policies/tiers.yaml")),
];
const AGENTS: &str = include_str!("../../../policies/agents.yaml");
const PEOPLE: &str = include_str!("../../../policies/people.yaml");

/// What only this run knows.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The bank's address, without a slash at its end.
    pub bank_url: &'a str,
    /// The CRM's address, without a slash at its end.
    pub crm_url: &'a str,
    /// The numeric id of every account that the starter set names, by login.
    pub accounts: &'a [(String, u64)],
    /// Each agent's public key, by the agent's name, as in `ssh-ed25519 AAAA...`.
    pub keys: &'a [(String, String)],
}

/// Something that the starter set names and the facts do not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the starter policies name the {what} `{name}`, which this demo does not know")]
pub struct Unknown {
    what: &'static str,
    name: String,
}

/// The policy files of a demo, comments and all.
pub fn policies(facts: &Facts<'_>) -> Result<Vec<SourceFile>, Unknown> {
    filled(STARTER, facts)
}

/// Policy files with what only this run knows put in.
pub fn filled(files: &[(&str, &str)], facts: &Facts<'_>) -> Result<Vec<SourceFile>, Unknown> {
    let put_in = |(path, text): &(&str, &str)| {
        let text = match *path {
            "catalog.yaml" => catalog(text, facts),
            "people.yaml" => accounts(text, facts)?,
            "agents.yaml" => keys(&accounts(text, facts)?, facts)?,
            _ => (*text).to_owned(),
        };
        Ok(SourceFile::new(*path, text))
    };
    files.iter().map(put_in).collect()
}

/// The bank and the CRM are on this machine, and are allowed to be; other targets stay where the starter set has them.
fn catalog(text: &str, facts: &Facts<'_>) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let here = line
            .replace("https://bank.example", facts.bank_url)
            .replace("https://crm.example", facts.crm_url);
        out.push_str(&here);
        out.push('\n');
        if let (true, Some((indent, _))) = (here != line, line.split_once("url: ")) {
            out.push_str(&format!(
                "{indent}allow_private: true     # the demo's targets run on this machine\n"
            ));
        }
    }
    out
}

/// `{ login: alice, id: 1001 }`, with the account's real id.
fn accounts(text: &str, facts: &Facts<'_>) -> Result<String, Unknown> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("login: ") {
        let (login, after) = after.split_once(", id: ").unwrap_or((after, ""));
        let name = login.trim_matches('"');
        let known = facts.accounts.iter().find(|(known, _)| known == name);
        let (_, id) = known.ok_or_else(|| Unknown {
            what: "account",
            name: name.to_owned(),
        })?;
        out.push_str(&format!("{before}login: {login}, id: {id}"));
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out.push_str(rest);
    Ok(out)
}

/// `key: { hmac: {} }`, with the agent's real key.
fn keys(text: &str, facts: &Facts<'_>) -> Result<String, Unknown> {
    let mut out = String::new();
    let mut agent = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
            agent = name;
        }
        if line.starts_with("    key: ") {
            let known = facts.keys.iter().find(|(known, _)| known == agent);
            let (_, key) = known.ok_or_else(|| Unknown {
                what: "agent",
                name: agent.to_owned(),
            })?;
            out.push_str(&format!("    key: {{ ed25519: \"{}\" }}\n", key.trim()));
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use ssh_key::{Algorithm, PrivateKey};

    use super::*;
    use crate::domain::policy::{AgentKey, Tier, compile};

    #[test]
    fn the_demo_s_policies_compile_with_what_was_put_in() {
        let logins: Vec<&str> = PEOPLE
            .lines()
            .chain(AGENTS.lines())
            .filter_map(|line| Some(line.split_once("login: ")?.1.split_once(',')?.0.trim_matches('"')))
            .collect();
        let accounts: Vec<(String, u64)> = logins.iter().map(|login| (*login).to_owned()).zip(71..).collect();
        let mut rng = ssh_key::rand_core::OsRng;
        let mut key = |name: &str| {
            let key = PrivateKey::random(&mut rng, Algorithm::Ed25519).unwrap();
            (name.to_owned(), key.public_key().to_openssh().unwrap())
        };
        let keys: Vec<(String, String)> = logins
            .iter()
            .filter_map(|login| Some(key(login.strip_suffix("[bot]")?)))
            .collect();
        let facts = Facts {
            bank_url: "http://127.0.0.1:4001",
            crm_url: "http://127.0.0.1:4002",
            accounts: &accounts,
            keys: &keys,
        };
        let files = policies(&facts).unwrap();
        let policy = compile(&files).unwrap();
        let catalog = files.iter().find(|file| file.path == "catalog.yaml").unwrap();
        for gone in ["bank.example", "crm.example"] {
            assert!(!catalog.text.contains(gone), "{}", catalog.text);
        }
        let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
        assert!(matches!(agent.key(), AgentKey::Ed25519 { .. }));
        assert_eq!(
            policy.person(&"bob".parse().unwrap()).unwrap().accounts()[0]
                .id()
                .to_string(),
            "72"
        );
        for (action, tier) in [
            ("crm.note", Tier::Low),
            ("campaigns.send", Tier::Medium),
            ("payments.create", Tier::High),
        ] {
            let action = policy.action(&action.parse().unwrap()).unwrap();
            let found = policy.classify(action.impact(), action.data(), action.rollback().kind());
            assert_eq!(found.tier, tier);
        }
        assert!(policy.gate(Tier::High).distinct_teams());
        let missing = Facts {
            accounts: &accounts[1..],
            ..facts
        };
        assert_eq!(
            policies(&missing).unwrap_err().to_string(),
            "the starter policies name the account `alice`, which this demo does not know"
        );
    }
}
