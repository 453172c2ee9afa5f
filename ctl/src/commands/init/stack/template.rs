//! The template, put together from the sections in `ctl/src/stack`: what is not wanted is not in it.
//!
//! ```text
//!             head ─ parameters ─ conditions ─ resources ─ outputs
//!   given VPC           ×             ×            ×
//!   sample              ×                          ×          ×      its own VPC, NAT (without endpoints), database, secret
//!   endpoints           ×                          ×          ×      in place of a way to the internet
//! ```

macro_rules! section {
    ($name:literal) => {
        include_str!(concat!("../../../stack/", $name, ".yaml"))
    };
}

/// What is wanted besides what every bastion needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wanted {
    /// A VPC of its own with a database in it.
    pub(crate) sample: bool,
    /// Interface endpoints, for a VPC without a way to the internet.
    pub(crate) endpoints: bool,
}

impl Wanted {
    /// The template's text.
    pub(crate) fn template(self) -> String {
        let Self { sample, endpoints } = self;
        let sections = [
            section!("head"),
            "\nParameters:\n",
            if sample { section!("parameters_sample") } else { section!("parameters_given") },
            if endpoints && !sample { section!("parameters_routes") } else { "" },
            if endpoints { section!("parameters_tag") } else { section!("parameters_image") },
            if sample { "" } else { section!("conditions_given") },
            "\nResources:\n",
            section!("resources_base"),
            if sample { "" } else { section!("resources_given") },
            if endpoints { section!("resources_endpoints") } else { "" },
            if sample { section!("resources_sample") } else { "" },
            if sample && !endpoints { section!("resources_nat") } else { "" },
            "\nOutputs:\n",
            section!("outputs_base"),
            if sample { section!("outputs_sample") } else { "" },
            if endpoints { section!("outputs_endpoints") } else { "" },
        ];
        let names = [
            ("__VPC__", if sample { "!Ref Vpc" } else { "!Ref VpcId" }),
            (
                "__SUBNETS__",
                if sample {
                    "[!Ref PrivateSubnetA, !Ref PrivateSubnetB]"
                } else {
                    "!Ref SubnetIds"
                },
            ),
            ("__ROUTES__", if sample { "[!Ref PrivateRoutes]" } else { "!Ref RouteTableIds" }),
            ("__DATABASES__", if sample { "!Ref VpcCidr" } else { "!Ref DatabaseCidr" }),
            (
                "__IMAGE__",
                if endpoints {
                    "!Sub ${Repository.RepositoryUri}:${ImageTag}"
                } else {
                    "!Ref Image"
                },
            ),
        ];
        let text = sections.concat();
        names.into_iter().fold(text, |text, (name, meant)| text.replace(name, meant))
    }

    /// What the person has to fill in, as `cloudformation deploy` takes it.
    pub(crate) fn parameters(self) -> &'static [&'static str] {
        match (self.sample, self.endpoints) {
            (true, _) => &[],
            (false, false) => &[VPC, SUBNETS],
            (false, true) => &[VPC, SUBNETS, ROUTES],
        }
    }

    /// What it is made of, in a few words.
    pub(crate) fn words(self) -> String {
        let mut words = vec![BASE];
        words.extend(self.sample.then_some("a VPC of three tiers in two zones"));
        words.extend((self.sample && !self.endpoints).then_some("a NAT gateway"));
        words.extend(self.sample.then_some("a MySQL instance with its secret"));
        words.extend(self.endpoints.then_some("endpoints and a repository for the image"));
        words.join(", ")
    }
}

const BASE: &str = "a cluster, a task definition, its two roles, a security group, a log group";
const VPC: &str = "VpcId=vpc-...";
const SUBNETS: &str = "SubnetIds=subnet-...,subnet-...";
const ROUTES: &str = "RouteTableIds=rtb-...";

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = (Wanted, String)> {
        let wanted = [(false, false), (false, true), (true, false), (true, true)];
        wanted.into_iter().map(|(sample, endpoints)| {
            let wanted = Wanted { sample, endpoints };
            (wanted, wanted.template())
        })
    }

    #[test]
    fn every_name_has_a_meaning_in_every_template() {
        for (wanted, text) in all() {
            let left = text.lines().find(|line| line.contains("__"));
            assert_eq!(left, None, "{wanted:?}");
        }
    }

    #[test]
    fn nothing_is_in_a_template_that_was_not_wanted() {
        for (wanted, text) in all() {
            let has = |part: &str| text.contains(part);
            assert_eq!(has("AWS::RDS::DBInstance"), wanted.sample, "{wanted:?}");
            assert_eq!(has("AWS::EC2::NatGateway"), wanted.sample && !wanted.endpoints);
            assert_eq!(has("AWS::EC2::VPCEndpoint"), wanted.endpoints);
            assert_eq!(has("AWS::ECR::Repository"), wanted.endpoints);
            assert_eq!(has("public.ecr.aws"), !wanted.endpoints, "PrivateLink does not lead there");
            assert_eq!(has("  VpcId:\n    Type: AWS::EC2::VPC::Id"), !wanted.sample);
        }
    }

    #[test]
    fn the_task_role_may_do_four_things_and_nobody_may_come_in() {
        let text = Wanted { sample: false, endpoints: false }.template();
        let (_, rest) = text.split_once("\n  TaskRole:\n").unwrap();
        let (role, rest) = rest.split_once("\n  ExecutionRole:\n").unwrap();
        assert_eq!(role.matches("ssmmessages:").count(), 4);
        assert!(!role.contains("ManagedPolicyArns"), "{role}");
        let (_, group) = rest.split_once("\n  BastionSecurityGroup:\n").unwrap();
        let (group, _) = group.split_once("\n\n").unwrap();
        assert!(!group.contains("SecurityGroupIngress"), "{group}");
        assert_eq!(group.matches("FromPort").count(), 3, "443 and the databases' ports");
    }

    #[test]
    fn every_parameter_without_a_value_of_its_own_is_to_be_filled_in() {
        for (wanted, text) in all() {
            let (_, rest) = text.split_once("\nParameters:\n").unwrap();
            let (parameters, _) = rest.split_once("\nResources:\n").unwrap();
            let parameters = parameters.split("\nConditions:").next().unwrap();
            let mut missing = Vec::new();
            for line in parameters.lines().filter(|line| !line.trim_start().starts_with('#')) {
                if let Some(name) = line.strip_prefix("  ").filter(|name| !name.starts_with(' ')) {
                    missing.push(name.trim_end_matches(':').to_owned());
                } else if line.starts_with("    Default:") {
                    missing.pop();
                }
            }
            let asked: Vec<&str> =
                wanted.parameters().iter().filter_map(|one| one.split('=').next()).collect();
            assert_eq!(asked, missing, "{wanted:?}");
        }
    }
}
