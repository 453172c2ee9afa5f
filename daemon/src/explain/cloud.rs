//! What the cloud did not do.

use bastion_api::{Problem, ProblemKind as Sort};
use bastion_cloud::{CloudError, EndClass, Kind, Runs};

use super::{login, policy};
use crate::config::Target;

/// What the cloud did not do.
pub fn cloud(target: &Target, err: &CloudError) -> Problem {
    let site = &target.site.name;
    let said = format!("{} answered: {}", err.call, err.message);
    let problem = match &err.kind {
        Kind::AgentStopped => agent_stopped(target),
        Kind::Ambiguous { what: "VPC", candidates } => another_vpc(target, candidates),
        Kind::Ambiguous { what, candidates } => ambiguous(target, what, candidates),
        Kind::ClockSkew { seconds } => clock_skew(*seconds),
        Kind::Conflict { .. } => conflict(target),
        Kind::Denied { explicit, action, resource } => {
            let action = action.as_deref().unwrap_or(err.call);
            policy::denied(target, action, resource.as_deref(), *explicit)
        }
        Kind::ExecDisabled => exec_disabled(target),
        Kind::Intercepted { issuer } => intercepted(site, issuer.as_deref()),
        Kind::Invalid => invalid(site),
        Kind::Login { profile, way } => {
            login::login(site, profile.as_deref().or(target.site.profile.as_deref()), way)
        }
        Kind::NoCapacity => no_capacity(site),
        Kind::NotAvailable { status } => not_available(target, status),
        Kind::NotConnected => not_connected(target),
        Kind::NotFound { what, candidates } => not_found(target, what, candidates),
        Kind::ScaledToZero => scaled_to_zero(target),
        Kind::Service => service(err.call),
        Kind::SessionOver => session_over(target),
        Kind::TaskStopped { class, code, exit_code, log } => {
            task_stopped(target, *class, code.as_deref(), *exit_code, log)
        }
        Kind::Throttled => throttled(err.call),
        Kind::TimedOut => timed_out(site, err.call),
        Kind::Unreachable => unreachable(site),
    };
    let mut problem = problem.request(err.request_id.clone());
    // AWS's own words are the nearest cause; the last lines of a log come last.
    problem.causes.insert(0, said);
    problem
}

fn agent_stopped(target: &Target) -> Problem {
    let message = format!("the SSM agent in the bastion for {} did not start", target.name);
    Problem::new("D08", Sort::BastionFailed, message)
        .hint(format!("give the task role: {}", policy::TASK_ROLE))
        .hint(
            "its subnets need a way to ssmmessages.<region>.amazonaws.com:443: NAT, or an interface endpoint (D09)",
        )
        .hint("the agent cannot live with readonlyRootFilesystem or pidMode = task (D22)")
}

fn ambiguous(target: &Target, what: &str, candidates: &[String]) -> Problem {
    let message = format!("more than one {what} fits for {}", target.name);
    Problem::new("D32", Sort::NotFound, message)
        .because(format!("found: {}", candidates.join(", ")))
        .hint(format!("name one of them by its id under [site.{}]", target.site.name))
}

fn another_vpc(target: &Target, candidates: &[String]) -> Problem {
    let message = format!("subnets and security groups of site {} do not fit", target.site.name);
    Problem::new("D12", Sort::NotFound, message)
        .because(format!("found: {}", candidates.join(", ")))
        .hint(format!("name security groups of the subnets' VPC under [site.{}]", target.site.name))
}

pub(super) fn clock_skew(seconds: Option<i64>) -> Problem {
    let message = match seconds {
        Some(off) if off > 0 => format!("this machine's clock is {off} s ahead of AWS's"),
        Some(off) => format!("this machine's clock is {} s behind AWS's", off.abs()),
        None => "this machine's clock differs from AWS's".to_owned(),
    };
    Problem::new("D21", Sort::Failed, message).hint(if cfg!(target_os = "macos") {
        "sudo sntp -sS time.apple.com"
    } else {
        "sudo timedatectl set-ntp true"
    })
}

fn conflict(target: &Target) -> Problem {
    let message = format!("AWS takes the start of {} for another one", target.name);
    Problem::new("D04", Sort::BastionFailed, message)
        .hint(format!("bastionctl open {}", target.name))
}

pub(super) fn exec_disabled(target: &Target) -> Problem {
    let message = format!("ECS Exec is off for the task that {} would go through", target.name);
    let problem = Problem::new("D07", Sort::BastionFailed, message)
        .because("it cannot be switched on for a task that runs");
    let cluster = &target.site.cluster;
    match &target.site.runs {
        Runs::Service(service) => problem.hint(format!(
            "aws ecs update-service --cluster {cluster} --service {service} --enable-execute-command --force-new-deployment"
        )),
        Runs::TaskDefinition(_) => problem.hint(format!("bastionctl open {}", target.name)),
    }
}

pub(super) fn intercepted(site: &str, issuer: Option<&str>) -> Problem {
    let message = format!("something between here and AWS answers in AWS's place (site {site})");
    let problem = Problem::new("D30", Sort::Failed, message);
    let problem = match issuer {
        Some(issuer) => problem
            .because(format!("the certificate that it shows is signed by {issuer}"))
            .hint("if that is your organisation's: ca_bundle = \"/path/to/its/ca.pem\" under [daemon], or AWS_CA_BUNDLE"),
        None => problem,
    };
    problem.hint("look at HTTPS_PROXY and NO_PROXY: the daemon goes by those it was started with")
}

fn invalid(site: &str) -> Problem {
    Problem::new("D32", Sort::Failed, format!("AWS cannot make sense of what site {site} asks for"))
        .hint(format!("look at [site.{site}]: bastionctl config show"))
}

fn no_capacity(site: &str) -> Problem {
    let message = format!("AWS has no room for a task at site {site} just now");
    Problem::new("D27", Sort::BastionFailed, message)
        .hint("try again in a minute, or give subnets in more than one availability zone")
        .hint("if the vCPU quota is used up: Service Quotas, AWS Fargate")
}

fn not_available(target: &Target, status: &str) -> Problem {
    let message = format!("the database of {} is {status}", target.name);
    let problem = Problem::new("D11", Sort::DatabaseUnreachable, message);
    match status {
        "stopped" => problem.hint("aws rds start-db-instance --db-instance-identifier …"),
        _ => problem.hint(format!("when it is available: bastionctl open {}", target.name)),
    }
}

fn not_connected(target: &Target) -> Problem {
    let message = format!("the SSM agent in the bastion for {} does not connect", target.name);
    Problem::new("D06", Sort::BastionFailed, message)
        .because("the task runs, and the session service still does not know its agent (D08, D09)")
        .hint("its subnets need a way to ssmmessages.<region>.amazonaws.com:443: NAT, or an interface endpoint")
        .hint(format!("its task role needs: {}", policy::TASK_ROLE))
}

fn not_found(target: &Target, what: &str, candidates: &[String]) -> Problem {
    let code = match what {
        "cluster" => "D02",
        "task definition" => "D03",
        _ => "D32",
    };
    let message = format!("no such {what} for {}", target.name);
    let problem = Problem::new(code, Sort::NotFound, message);
    let problem = match candidates {
        [] => problem,
        near => problem.hint(format!("did you mean {}?", near.join(", "))),
    };
    problem.hint("bastionctl config show")
}

pub(super) fn scaled_to_zero(target: &Target) -> Problem {
    let message = format!("the service that {} goes through runs no task", target.name);
    let problem = Problem::new("D04", Sort::BastionFailed, message)
        .because("it is not meant to: its desired count is 0");
    let problem = problem.hint(format!(
        "to have it raised while it is needed: scale_from_zero = true under [site.{}]",
        target.site.name
    ));
    match &target.site.runs {
        Runs::Service(service) => problem.hint(format!(
            "aws ecs update-service --cluster {} --service {service} --desired-count 1",
            target.site.cluster
        )),
        Runs::TaskDefinition(_) => problem,
    }
}

fn service(call: &str) -> Problem {
    Problem::new("D26", Sort::Failed, format!("AWS failed in itself at {call}"))
        .hint("try again; if it lasts: health.aws.amazon.com")
}

fn session_over(target: &Target) -> Problem {
    let message = format!("the session to {} is over", target.name);
    Problem::new("D23", Sort::Failed, message).hint("connect again: the next visit opens another")
}

fn task_stopped(
    target: &Target,
    class: EndClass,
    code: Option<&str>,
    exit_code: Option<i32>,
    log: &[String],
) -> Problem {
    let (what, number, hint) = end(class);
    let message = format!("the bastion for {} did not start: {what}", target.name);
    let mut problem = Problem::new(number, Sort::BastionFailed, message);
    if let Some(code) = code {
        problem = problem.because(format!("ECS calls it {code}"));
    }
    if let Some(exit_code) = exit_code {
        problem = problem.because(format!("its container exited with {exit_code}"));
    }
    problem.causes.extend(log.iter().map(|line| format!("its log: {line}")));
    problem.hint(hint).hint(format!(
        "aws ecs describe-tasks --cluster {} --tasks … shows the stopped task for an hour",
        target.site.cluster
    ))
}

/// What an end is called, its code, and what helps.
pub(super) fn end(class: EndClass) -> (&'static str, &'static str, &'static str) {
    match class {
        EndClass::Asked => (
            "somebody stopped it",
            "D14",
            "see who: aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StopTask",
        ),
        EndClass::Capacity => (
            "there is no room for it",
            "D27",
            "give subnets in more than one availability zone, or try again in a minute",
        ),
        EndClass::Exited => (
            "its container ended by itself",
            "D04",
            "its image must have sh for the watchdog; command = \"keep\" leaves the image's own command",
        ),
        EndClass::Image => (
            "its image cannot be pulled",
            "D04",
            "look at the image's name and tag in the task definition, and at the registry's limits",
        ),
        EndClass::Memory => (
            "its container was given more memory than it may have",
            "D04",
            "give the task definition more memory",
        ),
        EndClass::Network => (
            "it got no network interface",
            "D04",
            "look for free addresses in its subnets, and at the account's quota of network interfaces",
        ),
        EndClass::Resource => (
            "what it needs before it starts cannot be had",
            "D04",
            "look at the log group, secrets and volumes that its task definition names",
        ),
        EndClass::Role => (
            "one of its roles does not permit what it needs",
            "D04",
            "the execution role needs the policy AmazonECSTaskExecutionRolePolicy, and both roles must trust ecs-tasks.amazonaws.com",
        ),
        EndClass::Route => (
            "its subnets have no way to what it needs",
            "D04",
            "give its subnets a NAT gateway, or interface endpoints for ecr.api, ecr.dkr and logs and a gateway endpoint for s3",
        ),
        EndClass::SpotTaken => (
            "AWS took its spare capacity back",
            "D27",
            "launch = \"FARGATE\" under the site asks for ordinary capacity",
        ),
        EndClass::Start => (
            "its container could not be started",
            "D04",
            "look at command and entryPoint in the task definition: the image must have what they name",
        ),
        EndClass::Unknown => {
            ("ECS stopped it", "D04", "look at the service's events and at health.aws.amazon.com")
        }
    }
}

fn throttled(call: &str) -> Problem {
    Problem::new("D26", Sort::Failed, format!("AWS takes no more {call} for the moment"))
        .hint("it is tried again by itself; other programs of this account ask for the same")
}

fn timed_out(site: &str, call: &str) -> Problem {
    Problem::new("D04", Sort::TimedOut, format!("{call} took too long"))
        .hint(format!("try again; start_timeout under [site.{site}] may be longer"))
}

fn unreachable(site: &str) -> Problem {
    let message = format!("AWS cannot be reached for site {site}");
    Problem::new("D30", Sort::Failed, message)
        .hint("look at the network, and at proxy settings and certificates between here and AWS")
}
