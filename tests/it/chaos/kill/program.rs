//! A program that nobody promises to act once for a key: it is never started twice for one proposal. INVARIANT i21, i23.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{
        script::{scenes_of_a_program, seed},
        setup,
    },
    Came, killed,
};
use crate::{
    command::{contains, dir, script},
    world::Setup,
};

/// The rules with one more action, `crm.tool`, whose program is this.
fn running(program: &str) -> Setup {
    let marker = "  # --- medium: an e-mail to many people";
    let action = format!(
        "  crm.tool:\n    summary: Run a tool\n    resource: /crm/customers/{{customer_id}}/tool\n    impact: low\n    data: [internal]\n    \
         rollback: {{ kind: restore }}\n    raci: {{ responsible: support-agent, accountable: marketing }}\n    params:\n      type: object\n      \
         required: [customer_id]\n      properties: {{ customer_id: {{ type: string }} }}\n    describe: \"Tool for {{{{ params.customer_id }}}}\"\n    \
         checks: []\n    execute:\n      command:\n        program: {program}\n        filesystem: unconfined\n        \
         stdin: {{ key: \"${{step.key}}\" }}\n\n{marker}"
    );
    let mut setup = setup();
    setup.rate_limit = Some(10_000_000);
    setup.edits.push(("catalog.yaml", marker, action.leak()));
    setup
        .edits
        .push(("agents.yaml", "[crm.note]", "[crm.note, crm.tool]"));
    setup
}

#[tokio::test]
async fn i16_i21_killed_at_any_moment_a_program_is_never_run_twice() {
    if !contains().await {
        return;
    }
    let dir = dir();
    let effects = dir.path().join("effects");
    // It works for a moment after its effect, so that many are killed in between.
    let work = "n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done";
    let program = script(
        &dir,
        &format!(
            "read -r line; echo \"$line\" >> {}; {work}; exit 0",
            effects.display()
        ),
    );
    killed(running(&program), scenes_of_a_program(10_000), |_, came| {
        let mut ran: BTreeMap<String, usize> = BTreeMap::new();
        for line in std::fs::read_to_string(&effects).unwrap().lines() {
            let said: Value = serde_json::from_str(line).unwrap();
            let key = said["input"]["key"].as_str().or(said["key"].as_str()).unwrap();
            *ran.entry(key.split('/').next().unwrap().to_owned()).or_default() += 1;
        }
        for Came { of, state, .. } in came {
            let times = ran.get(&of.id).copied().unwrap_or(0);
            let least = usize::from(state == "executed");
            assert!(
                (least..=1).contains(&times),
                "seed {}: {} is {state} and ran {times} times",
                seed(),
                of.id
            );
        }
    })
    .await;
}
