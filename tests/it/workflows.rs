//! Workflows on GitHub's runners, let through by the executor's own protection rule for the run that it asked for.
//! INVARIANT i23.

mod elsewhere;
mod hostile;
mod lost;
mod others;
mod undone;

use std::time::Duration;

use countersign::sandbox::Runners;
use serde_json::{Value, json};

use crate::{
    contract::assert_described,
    world::{Opened, REPO, Setup, World, story_with},
};

const ENVIRONMENT: &str = "production";

const NAMED: &str = "name: Deploy\nrun-name: ${{ inputs.nonce }}\non:\n  workflow_dispatch:\n    inputs:\n      service:\n        \
                     required: true\n        type: string\n      version:\n        required: true\n        type: string\n      \
                     nonce:\n        type: string\npermissions: {}\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    \
                     environment: production\n    steps:\n      - run: ./deploy\n";

const ACTION: &str = r#"actions:
  deploys.run:
    summary: Deploy a version of a service
    resource: /deploys/services/{service}
    impact: low
    data: [internal]
    rollback: { kind: restore }
    raci: { responsible: campaign-agent, accountable: marketing }
    params:
      type: object
      required: [service, version]
      properties:
        service: { type: string, pattern: "^[a-z-]+$" }
        version: { type: string, maxLength: 70000 }
    describe: "Deploy {{ params.service }}"
    execute:
      actions:
        workflow: deploy.yml
        ref: main
        environment: production
        within: 10m
        nonce: nonce
        inputs: { service: "${params.service}", version: "${params.version}" }
"#;

/// Rules with an action that has a workflow run.
pub(crate) fn deploying() -> Setup {
    Setup {
        edits: vec![
            ("catalog.yaml", "actions:\n", ACTION),
            (
                "tiers.yaml",
                "preview: required           # the bot must have read what is affected",
                "preview: none",
            ),
            (
                "agents.yaml",
                "[campaigns.send, crm.note]",
                "[campaigns.send, crm.note, deploys.run]",
            ),
            (
                "CODEOWNERS",
                "/policies/ ",
                "/deploys/ @acme/marketing\n/policies/ ",
            ),
        ],
        ..Setup::default()
    }
}

/// The same, with a workflow whose runs have no name of their own.
fn nameless() -> Setup {
    let mut setup = deploying();
    setup.edits.push(("catalog.yaml", "        nonce: nonce\n", ""));
    setup
}

fn deployment(version: &str) -> Value {
    json!({
        "operation": "deploys.run", "sponsor": "erin",
        "parameters": { "service": "shop", "version": version },
        "justification": "It is ready.",
    })
}

impl World {
    /// The app may run workflows.
    fn may_run_workflows(&self) {
        self.github
            .set_app_permissions(
                self.app.id,
                &[
                    ("contents", "write"),
                    ("pull_requests", "write"),
                    ("checks", "write"),
                    ("issues", "write"),
                    ("members", "read"),
                    ("administration", "read"),
                    ("actions", "write"),
                    ("deployments", "write"),
                ],
            )
            .unwrap();
    }

    /// The app may run workflows, and guards an environment that the workflow's job names.
    fn runs_workflows(&self, workflow: &str) {
        self.may_run_workflows();
        self.github
            .add_environment(REPO, ENVIRONMENT, &[self.app.id])
            .unwrap();
        let files = [(".github/workflows/deploy.yml", workflow)];
        self.person("root")
            .push_files(REPO, "main", &files, "Add a workflow", false)
            .unwrap();
    }

    /// Nothing is executed any more.
    async fn frozen_by_alice(&mut self, opened: &Opened) {
        self.comment("alice", opened, "/freeze all the shop is open")
            .await;
    }

    async fn deploy(&mut self, version: &str) -> Opened {
        self.open("campaign-agent", deployment(version)).await
    }

    /// A deployment of a version that everybody who has to approved.
    async fn deployed(&mut self, version: &str) -> Opened {
        let deploy = self.deploy(version).await;
        self.approve("dave", &deploy).await;
        deploy
    }

    /// A deployment that everybody approved, whose run goes on once it is let through.
    async fn running(&mut self) -> (Opened, u64) {
        self.runs_until(Runners::Hold, "in_progress").await
    }

    /// The same, whose run no runner takes yet.
    async fn queued(&mut self) -> (Opened, u64) {
        self.runs_until(Runners::Away, "queued").await
    }

    /// Such a deployment, and its run once it stands so on runners that do as they are told.
    async fn runs_until(&mut self, runners: Runners, status: &str) -> (Opened, u64) {
        self.runs_workflows(NAMED);
        self.github.set_runners(REPO, runners).unwrap();
        let deploy = self.deployed("1.2.3").await;
        let run = self.run_is(status).await;
        (deploy, run)
    }

    /// There is one run, and it was let through.
    fn only_entered(&self, run: u64) {
        assert_eq!(
            (self.runs().len(), self.github.entered(REPO).unwrap()),
            (1, vec![run])
        );
    }

    fn none_entered(&self) {
        assert_eq!(self.github.entered(REPO).unwrap(), Vec::<u64>::new());
    }

    /// The runs of workflows, oldest first.
    fn runs(&self) -> Vec<Value> {
        self.github.workflow_runs(REPO).unwrap()
    }

    /// Waits until a run stands so.
    async fn run_is(&self, status: &str) -> u64 {
        for _ in 0..3_000 {
            if let Some(run) = self.runs().iter().find(|run| run["status"] == status) {
                return run["id"].as_u64().unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no run is {status}: {:#?}", self.runs());
    }

    /// Waits until a proposal's execution is at its end and shows it, which no look waits for.
    async fn ended(&mut self, of: &Opened, state: &str) {
        let ended = async {
            let running = |world: &Self| {
                let answers = world.answers(of);
                answers.iter().any(|text| text.starts_with("### Running now"))
            };
            while self.state(of).await != state || running(self) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(30), ended)
            .await
            .is_err()
        {
            panic!("not {state}: {:#?}", self.about(of).last());
        }
        self.settle().await;
    }

    /// A minute later a run that was waiting beside an execution is looked at again, and turned away.
    async fn turns_away(&mut self, run: u64) {
        self.both_later(Duration::from_secs(61));
        let turned = async {
            while self.states_said(run) != ["rejected"] {
                self.sweep().await;
            }
        };
        let turned = tokio::time::timeout(Duration::from_secs(30), turned).await;
        assert!(turned.is_ok(), "{:?}", self.states_said(run));
    }

    /// How the only step of a proposal ended, in words.
    fn note(&self, of: &Opened) -> String {
        let last = self.about(of).pop().unwrap();
        let body = &last["body"];
        let note = body["steps"][0]["note"].as_str().or(body["reason"].as_str());
        note.unwrap_or_default().to_owned()
    }

    fn states_said(&self, run: u64) -> Vec<String> {
        let said = self.github.rules_said(REPO, run).unwrap();
        said.into_iter().map(|(state, _)| state).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_an_approved_run_is_let_through_and_its_end_recorded() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        let deploy = world.deploy("1.2.3").await;
        // Low by tiers.yaml, and nobody waits so long for the answer to a request.
        assert_eq!(world.status(deploy.agent, &deploy.id).await["tier"], "medium");
        world.approve("dave", &deploy).await;
        world.ended(&deploy, "executed").await;
        let [run] = world.runs().try_into().unwrap();
        let id = run["id"].as_u64().unwrap();
        assert_eq!(run["display_title"], json!(format!("{}/1", deploy.id)));
        assert_eq!(world.github.entered(REPO).unwrap(), [id]);
        assert_eq!(
            world.github.rules_said(REPO, id).unwrap(),
            [(
                "approved".to_owned(),
                format!("Approved as proposal {}.", deploy.id)
            )]
        );
        let inputs = world.github.run_inputs(REPO, id).unwrap();
        assert_eq!(
            (inputs["service"].as_str(), inputs["version"].as_str()),
            ("shop", "1.2.3")
        );
        let note = world.note(&deploy);
        assert!(
            note.starts_with(&format!("run {id} of `deploy.yml` at "))
                && note.contains(" ended with success: ")
                && note.ends_with(&format!("/acme/approvals/actions/runs/{id}")),
            "{note}"
        );
        let answers = world.answers(&deploy).concat();
        assert!(
            answers.contains(&note) || answers.contains("success"),
            "{answers}"
        );
        assert_described(&world.github.requests());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i15_without_the_bot_s_rule_nothing_is_merged() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        world.github.enable_rules(REPO, ENVIRONMENT, false).unwrap();
        let deploy = world.deployed("1.2.3").await;
        assert_eq!(world.state(&deploy).await, "open");
        assert_eq!(world.github.pull(REPO, deploy.pull).unwrap()["merged"], false);
        let check = world.check(&deploy);
        assert_eq!(
            (check.conclusion.as_str(), check.title.as_str()),
            ("action_required", "Approved, waiting: it could not run")
        );
        assert!(
            check.summary.contains("it could not run as things stand") && check.summary.contains(ENVIRONMENT),
            "{}",
            check.summary
        );
        world.github.enable_rules(REPO, ENVIRONMENT, true).unwrap();
        world.sweep().await;
        world.ended(&deploy, "executed").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_without_the_permissions_of_workflows_nothing_is_merged() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        let without = [
            ("contents", "write"),
            ("pull_requests", "write"),
            ("checks", "write"),
            ("issues", "write"),
            ("members", "read"),
            ("administration", "read"),
            ("actions", "write"),
        ];
        world.github.set_app_permissions(world.app.id, &without).unwrap();
        let deploy = world.deployed("1.2.3").await;
        assert_eq!(
            (world.state(&deploy).await.as_str(), world.runs().len()),
            ("open", 0)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i22_a_freeze_between_the_asking_and_the_letting_through_turns_the_run_away() {
    story_with(deploying(), async |world| {
        let (deploy, run) = world.queued().await;
        // Neither a worker nor the pull request waits for the run.
        world.frozen_by_alice(&deploy).await;
        assert_eq!(world.of_kind("frozen").len(), 1);
        world.github.start_run(REPO, run).unwrap();
        world.ended(&deploy, "refused").await;
        assert_eq!(world.states_said(run), ["rejected"]);
        world.none_entered();
        assert_eq!(
            world.note(&deploy),
            format!("run {run} was turned away: executions are frozen")
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_run_that_was_let_through_and_failed_may_have_done_half() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        world.github.set_runners(REPO, Runners::Hold).unwrap();
        for conclusion in ["failure", "cancelled", "timed_out", "action_required"] {
            let deploy = world.deployed(conclusion).await;
            let run = world.run_is("in_progress").await;
            world.github.finish_run(REPO, run, conclusion).unwrap();
            world.ended(&deploy, "unknown").await;
            assert!(
                world.note(&deploy).contains(" ended with "),
                "{}",
                world.note(&deploy)
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i21_a_run_that_ends_without_having_waited_shows_nothing() {
    story_with(deploying(), async |world| {
        world.runs_workflows(&NAMED.replace("    environment: production\n", ""));
        let deploy = world.deployed("1.2.3").await;
        world.ended(&deploy, "unknown").await;
        let note = world.note(&deploy);
        assert!(note.contains("without having waited for `production`"), "{note}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i16_a_run_that_does_not_end_in_its_time_is_stopped_and_unknown() {
    story_with(deploying(), async |world| {
        let (deploy, run) = world.running().await;
        world.both_later(Duration::from_secs(10 * 60));
        world.github.tell_of_run(REPO, run).unwrap();
        world.ended(&deploy, "unknown").await;
        assert!(
            world
                .note(&deploy)
                .contains("did not end within 10m; GitHub was asked to stop it"),
            "{}",
            world.note(&deploy)
        );
        assert_eq!(world.runs()[0]["conclusion"], "cancelled");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_goes_on_keeps_no_other_proposal_waiting() {
    story_with(deploying(), async |world| {
        world.runs_workflows(NAMED);
        world.github.set_runners(REPO, Runners::Hold).unwrap();
        let mut begun = Vec::new();
        for version in ["1", "2", "3", "4", "5"] {
            let deploy = world.deployed(version).await;
            begun.push(deploy);
        }
        let campaign = world.campaign().await;
        world.approve("dave", &campaign).await;
        assert_eq!(world.state(&campaign).await, "executed");
        world.sweep().await;
        for deploy in &begun {
            assert_eq!(world.state(deploy).await, "started");
        }
        while world.github.entered(REPO).unwrap().len() < begun.len() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for run in world.runs() {
            world
                .github
                .finish_run(REPO, run["id"].as_u64().unwrap(), "success")
                .unwrap();
        }
        for deploy in &begun {
            world.ended(deploy, "executed").await;
        }
    })
    .await;
}
