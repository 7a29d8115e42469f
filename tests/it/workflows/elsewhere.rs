//! A workflow of another repository than the one where people approve.

use super::{ENVIRONMENT, NAMED, deploying};
use crate::world::{REPO, Setup, World, story_with};

const OTHER: &str = "acme/deploys";

/// Rules with an action whose workflow is elsewhere.
fn elsewhere() -> Setup {
    let mut setup = deploying();
    setup.edits.push((
        "catalog.yaml",
        "        workflow: deploy.yml\n",
        "        repository: acme/deploys\n        workflow: deploy.yml\n",
    ));
    setup
}

impl World {
    /// The other repository has the workflow; the bot's own has none.
    fn runs_elsewhere(&self) {
        self.may_run_workflows();
        let files = [(".github/workflows/deploy.yml", NAMED)];
        self.github.add_repo(OTHER, &files).unwrap();
        self.github.install(self.app.id, "acme", &[OTHER]).unwrap();
        self.github
            .add_environment(OTHER, ENVIRONMENT, &[self.app.id])
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i23_a_workflow_of_another_repository_is_run_there_and_no_other_run_of_it_let_through() {
    story_with(elsewhere(), async |world| {
        world.runs_elsewhere();
        world
            .github
            .set_permission(OTHER, "mallory", countersign::sandbox::Permission::Write)
            .unwrap();
        let inputs = serde_json::json!({ "service": "shop", "version": "evil", "nonce": "x" });
        let evil = world
            .person("mallory")
            .dispatch(OTHER, "deploy.yml", "main", &inputs)
            .unwrap();
        world.settle().await;
        let [(said, _)] = world.github.rules_said(OTHER, evil).unwrap().try_into().unwrap();
        assert_eq!(said, "rejected");
        let deploy = world.deployed("1.2.3").await;
        world.ended(&deploy, "executed").await;
        let [_, run] = world.github.workflow_runs(OTHER).unwrap().try_into().unwrap();
        let id = run["id"].as_u64().unwrap();
        assert_eq!(run["display_title"], format!("{}/1", deploy.id));
        assert_eq!(world.github.entered(OTHER).unwrap(), [id]);
        assert_eq!(
            world.github.rules_said(OTHER, id).unwrap(),
            [(
                "approved".to_owned(),
                format!("Approved as proposal {}.", deploy.id)
            )]
        );
        let note = world.note(&deploy);
        assert!(
            note.ends_with(&format!("/acme/deploys/actions/runs/{id}")),
            "{note}"
        );
        assert!(world.github.workflow_runs(REPO).unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i19_where_the_app_is_not_installed_nothing_is_merged() {
    story_with(elsewhere(), async |world| {
        world.may_run_workflows();
        let deploy = world.deployed("1.2.3").await;
        assert_eq!(world.state(&deploy).await, "open");
        assert_eq!(world.github.pull(REPO, deploy.pull).unwrap()["merged"], false);
    })
    .await;
}
