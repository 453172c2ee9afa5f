use bastion_api::client::Client;
use bastion_api::{Engine, ForwardRequest, OpenEvent, Problem, ProblemKind};
use clap::{ArgGroup, Args, ValueEnum};

use super::open::{follow, show};
use crate::error::Failure;
use crate::ui::Ui;
use crate::words::clean;

/// Serve a database that the config does not name, until Ctrl-C
///
/// Through a site of the config, or through a running task of a service. It shows in `bastionctl status` as
/// forward-PORT; once it has ended, its bastion stops when it would for any other target.
#[derive(Args, Debug)]
#[command(
    after_help = EXAMPLE,
    override_usage = USAGE,
    group = ArgGroup::new("way").args(["site", "service"]).required(true),
    group = ArgGroup::new("database").args(["host", "rds"]).required(true)
)]
pub(crate) struct Forward {
    /// Go through this site of the config
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// Go through a running task of this ECS service, which is never started or stopped
    #[arg(long, value_name = "CLUSTER/SERVICE", value_parser = service)]
    service: Option<Service>,
    /// The container of that task, where it cannot be guessed
    #[arg(long, value_name = "NAME", conflicts_with = "site")]
    container: Option<String>,
    /// The profile of AWS's config files [default: the site's]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// The region [default: the site's, or the profile's]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The database's host, as it is called inside the VPC
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// The database's RDS instance
    #[arg(long, value_name = "ID")]
    rds: Option<String>,
    /// The port that the host listens on [default: the engine's usual one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "rds")]
    remote_port: Option<u16>,
    /// The port on this machine [default: the remote one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    local_port: Option<u16>,
    /// What the database speaks [default: what its port says, or RDS]
    #[arg(long, value_enum, value_name = "ENGINE")]
    engine: Option<Speaks>,
    /// Listen here, too: docker, unix, or an address such as 127.0.0.2:3306
    #[arg(long, value_name = "PLACE")]
    listen: Vec<String>,
}

/// A service and its cluster.
#[derive(Clone, Debug)]
struct Service {
    cluster: String,
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Speaks {
    Postgres,
    Mysql,
    Other,
}

impl Forward {
    pub(crate) async fn run(self, client: &Client, ui: &mut Ui) -> Result<(), Failure> {
        let request = self.request();
        if let Some(missing) = missing(&request) {
            return Err(missing.into());
        }
        let name = request.local_port.or(request.remote_port);
        let name = name.map_or("forward".to_owned(), |port| format!("forward-{port}"));
        let parted = |name: &str| {
            format!("{name} has ended; a bastion that was started for it stops once it is idle")
        };
        ui.on_parting(Some(parted(&name)));
        let mut lines = client.forward(&request).await?;
        let reached = follow(&name, &mut lines, ui).await?;
        show(&reached, ui)?;
        ui.talk("forwarding until Ctrl-C");
        ui.on_parting(Some(parted(&clean(&reached.target.name))));
        loop {
            match lines.next().await? {
                Some(OpenEvent::Failed { problem }) => return Err(problem.into()),
                Some(
                    OpenEvent::Stage { .. }
                    | OpenEvent::Tunnels { .. }
                    | OpenEvent::Ready { .. }
                    | OpenEvent::Unknown,
                ) => {}
                None => {
                    let kind = ProblemKind::NotRunning;
                    return Err(Problem::new("C04", kind, "bastiond has stopped").into());
                }
            }
        }
    }

    fn request(self) -> ForwardRequest {
        let (cluster, service) = match self.service {
            Some(service) => (Some(service.cluster), Some(service.name)),
            None => (None, None),
        };
        let engine = self.engine.map(|engine| match engine {
            Speaks::Postgres => Engine::Postgres,
            Speaks::Mysql => Engine::Mysql,
            Speaks::Other => Engine::Other,
        });
        ForwardRequest {
            site: self.site,
            cluster,
            service,
            container: self.container,
            profile: self.profile,
            region: self.region,
            host: self.host,
            remote_port: self.remote_port,
            rds: self.rds,
            engine,
            local_port: self.local_port,
            listen: self.listen,
        }
    }
}

/// The port that follows from nothing that was said; none where all is known.
fn missing(request: &ForwardRequest) -> Option<Problem> {
    let usual = request.engine.is_some_and(|engine| match engine {
        Engine::Postgres | Engine::Mysql => true,
        Engine::Other => false,
    });
    let usage = |message| Problem::new("", ProblemKind::Usage, message);
    if usual || request.remote_port.is_some() {
        None
    } else if request.host.is_some() {
        Some(usage("nothing says which port the host listens on").hint("--remote-port PORT"))
    } else if request.local_port.is_none() {
        Some(usage("nothing says which port of this machine is meant").hint("--local-port PORT"))
    } else {
        None
    }
}

fn service(text: &str) -> Result<Service, String> {
    match text.split_once('/') {
        Some((cluster, name)) if !cluster.is_empty() && !name.is_empty() => {
            Ok(Service { cluster: cluster.to_owned(), name: name.to_owned() })
        }
        Some(_) | None => {
            Err("write the cluster and the service: dev-cluster/bastion-service".into())
        }
    }
}

/// Both ways and both kinds of database; clap would write them on one long line.
const USAGE: &str = "bastionctl forward --site <SITE> --host <HOST> [OPTIONS]
       bastionctl forward --service <CLUSTER/SERVICE> --rds <ID> [OPTIONS]";
const EXAMPLE: &str = "Example:
  bastionctl forward --site prod --host db.internal --remote-port 3306
  bastionctl forward --service dev/bastion --rds dev-mysql --engine mysql";
