// GitHub's own client against the sandbox: an app finds its installation, proposes, is approved, and merges.
import assert from "node:assert/strict";
import { App } from "@octokit/app";
import { Octokit } from "@octokit/rest";

const { API, APP_ID, PRIVATE_KEY, INSTALLATION, ALICE } = process.env;
const where = { owner: "acme", repo: "ops" };
const Client = Octokit.defaults({ baseUrl: API });
const app = new App({ appId: APP_ID, privateKey: PRIVATE_KEY, Octokit: Client });

const { data: self } = await app.octokit.request("GET /app");
assert.equal(self.slug, "countersign");
const found = [];
for await (const { installation } of app.eachInstallation.iterator()) found.push(installation.id);
assert.deepEqual(found, [Number(INSTALLATION)]);

const bot = await app.getInstallationOctokit(Number(INSTALLATION));
const branches = await bot.paginate(bot.rest.repos.listBranches, { ...where, per_page: 2 });
assert.deepEqual(branches.map((branch) => branch.name), ["main", "t0", "t1", "t2"]);

const { data: main } = await bot.rest.git.getRef({ ...where, ref: "heads/main" });
await bot.rest.git.createRef({ ...where, ref: "refs/heads/proposal", sha: main.object.sha });
const content = Buffer.from("hello\n").toString("base64");
await bot.rest.repos.createOrUpdateFileContents({ ...where, path: "p.txt", message: "Propose", content, branch: "proposal" });
const { data: pull } = await bot.rest.pulls.create({ ...where, head: "proposal", base: "main", title: "Proposal" });
assert.equal(pull.user.type, "Bot");
await bot.rest.pulls.requestReviewers({ ...where, pull_number: pull.number, reviewers: ["alice"] });
const { data: check } = await bot.rest.checks.create({
  ...where, name: "countersign", head_sha: pull.head.sha, status: "in_progress",
  output: { title: "Waiting", summary: "for alice" },
});

const alice = new Client({ auth: ALICE });
await assert.rejects(
  bot.rest.pulls.createReview({ ...where, pull_number: pull.number, event: "APPROVE" }),
  (error) => error.status === 422,
);
await alice.rest.pulls.createReview({ ...where, pull_number: pull.number, event: "APPROVE" });
const { data: reviews } = await bot.rest.pulls.listReviews({ ...where, pull_number: pull.number });
assert.deepEqual(reviews.map((review) => [review.user.login, review.state]), [["alice", "APPROVED"]]);

await bot.rest.checks.update({ ...where, check_run_id: check.id, conclusion: "success" });
await assert.rejects(
  bot.rest.pulls.merge({ ...where, pull_number: pull.number, sha: main.object.sha }),
  (error) => error.status === 409,
);
const { data: merged } = await bot.rest.pulls.merge({ ...where, pull_number: pull.number, sha: pull.head.sha });
const { data: commit } = await bot.rest.repos.getCommit({ ...where, ref: merged.sha });
assert.deepEqual(commit.parents.map((parent) => parent.sha), [main.object.sha, pull.head.sha]);
await bot.rest.issues.createComment({ ...where, issue_number: pull.number, body: "done" });
assert.equal((await alice.rest.users.getAuthenticated()).data.login, "alice");
