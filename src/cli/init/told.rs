//! What `init` says: what is there, what to keep where, and what comes next.

use std::path::Path;

use serde_json::{Value, json};

use super::{Args, Begun};
use crate::{
    cli::paint::{self, row},
    domain::protection::{EVENTS, OF_WORKFLOWS, PERMISSIONS, RULE_EVENT},
};

pub(super) fn json(begun: &Begun) -> Value {
    let keys: serde_json::Map<String, Value> = begun
        .keys
        .iter()
        .map(|(role, path, _)| (role.as_str().to_owned(), json!(path)))
        .collect();
    json!({
        "repository": begun.repository,
        "genesis": begun.genesis,
        "begun": begun.anew,
        "policy": begun.policy,
        "base": begun.base,
        "ledger": begun.ledger,
        "first_commit": begun.first_commit,
        "keys": keys,
    })
}

pub(super) fn people(args: &Args, begun: &Begun) {
    if begun.anew {
        anstream::println!(
            "{} the ledger of {} has begun",
            paint::good(paint::YES),
            paint::strong(&begun.repository)
        );
        row("genesis", paint::strong(begun.genesis));
        row(
            "",
            "keep it outside the repository: gate, executor and auditors are started with it",
        );
    } else {
        anstream::println!(
            "{} the ledger of {} had begun before; nothing was changed",
            paint::warn("!"),
            paint::strong(&begun.repository)
        );
        row("genesis", format_args!("{}, as the remote says", begun.genesis));
        row(
            "",
            "compare it with the digest that you kept; only that one counts",
        );
    }
    if begun.keys.is_empty() {
        row(
            "keys",
            format_args!(
                "none in {}; name their directory with `--keys DIR`",
                args.keys.display()
            ),
        );
    }
    for (role, path, made) in &begun.keys {
        let how = if *made { "made, yours only" } else { "was there" };
        row("key", format_args!("{} {}: {how}", role.as_str(), path.display()));
    }
    row(
        "policies",
        format_args!("{} on {}", begun.policy.short(), begun.base),
    );
    row("ledger", format_args!("branch {}", begun.ledger));
    if begun.first_commit.is_some() && args.policies.is_none() {
        anstream::println!(
            "\n{} the starter policies name example people and agents, who can approve nothing on your GitHub;\n  \
             to begin with your own, use `--policies-out`, edit, and begin a repository with `--policies DIR`",
            paint::warn("!")
        );
    }
    next(args, begun);
}

fn next(args: &Args, begun: &Begun) {
    anstream::println!("\n{}", paint::strong("next"));
    let permissions: Vec<String> = PERMISSIONS
        .iter()
        .map(|(name, access)| format!("{} {access}", name.replace('_', " ")))
        .collect();
    row("app", format_args!("permissions: {}", permissions.join(", ")));
    let events = EVENTS.join(", ").replace('_', " ");
    row("", format_args!("events: {events}"));
    let of_workflows: Vec<String> = OF_WORKFLOWS
        .iter()
        .map(|(name, access)| format!("{name} {access}"))
        .collect();
    row(
        "",
        format_args!(
            "for `actions` in the catalog also {}, and the event {}",
            of_workflows.join(", "),
            RULE_EVENT.replace('_', " ")
        ),
    );
    row(
        "",
        "webhook: https://YOUR-GATE/webhooks/github, with a secret of 16 characters or more",
    );
    row(
        "rules",
        format_args!("`{}`: require the check `countersign` from this app", begun.base),
    );
    row(
        "",
        format_args!(
            "`countersign/**` and `{}`: only this app creates and updates",
            begun.ledger
        ),
    );
    row(
        "",
        format_args!(
            "`{}` and `{}`: nobody force-pushes or deletes, the bypass list is empty",
            begun.base, begun.ledger
        ),
    );
    row(
        "",
        "`countersign doctor` tells what is missing, and with `--fix` sets it",
    );
    row(
        "serve",
        "countersign serve --config countersign.yaml, which holds",
    );
    let key = |wanted: &str| {
        let found = begun.keys.iter().find(|(role, ..)| role.as_str() == wanted);
        found.map_or_else(
            || args.keys.join(wanted).display().to_string(),
            |(_, path, _)| path.display().to_string(),
        )
    };
    let app_id = args.app_id.map_or_else(|| "ID".to_owned(), |id| id.to_string());
    let app_key = args
        .app_key_file
        .as_ref()
        .map_or_else(|| "app.pem".to_owned(), |path| path.display().to_string());
    let api = args
        .api_url
        .as_ref()
        .map_or_else(String::new, |url| format!("    api_url: {url}\n"));
    anstream::println!(
        "\n    repo: {}\n{api}    app_id: {app_id}\n    app_key_file: {app_key}\n    webhook_secret_file: webhook-secret\n    \
         gate_key_file: {}\n    executor_key_file: {}\n    watch_key_file: {}\n    genesis: {}\n",
        begun.repository,
        key("gate"),
        key("executor"),
        key("watch"),
        begun.genesis
    );
    row(
        "audit",
        format_args!("countersign audit verify CLONE --genesis {}", begun.genesis),
    );
}

pub(super) fn starter(dir: &Path) {
    let at = dir.display();
    anstream::println!(
        "{} wrote the starter policies into {}",
        paint::good(paint::YES),
        paint::strong(&at)
    );
    anstream::println!("\n{}", paint::strong("next"));
    row(
        "people",
        format_args!("put your people and their account numbers into {at}/people.yaml"),
    );
    row(
        "owners",
        format_args!("say in {at}/CODEOWNERS who may approve what"),
    );
    row(
        "agents",
        format_args!("name your agents, their sponsors and public keys in {at}/agents.yaml"),
    );
    row(
        "catalog",
        format_args!("describe what they may ask for in {at}/catalog.yaml"),
    );
    row(
        "editor",
        "`countersign policy schema --write .countersign/schema` lets it complete and check these files",
    );
    row(
        "try",
        format_args!("`countersign policy lint {at}` and `countersign policy test {at}`"),
    );
    row(
        "begin",
        "commit them as policies/ on the base branch, then `countersign init --repo OWNER/NAME ...`",
    );
}
