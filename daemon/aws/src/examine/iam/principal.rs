//! Whose policies are meant by an ARN that STS tells.

/// Whom IAM can be asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Principal {
    /// The account itself, which no policy of its own limits.
    Root,
    /// A user or a role, by the names that it may have, the likeliest first.
    Named(Vec<String>),
    /// Somebody who has no policies in IAM: a federated user.
    Unknown,
}

impl Principal {
    /// Of a user's, a role's or a role session's ARN.
    pub(super) fn of(arn: &str, region: &str) -> Self {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _, account, resource] = parts[..] else {
            return Self::Unknown;
        };
        match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Self::Root,
            ("iam", Some(("user" | "role", _))) => Self::Named(vec![arn.to_owned()]),
            ("sts", Some(("assumed-role", rest))) => {
                let role = rest.split('/').next().unwrap_or(rest);
                let paths = if role.starts_with(SSO) {
                    // Identity Center writes its own region into the path, unless that is us-east-1.
                    vec![format!("{SSO_PATH}{region}/"), SSO_PATH.to_owned()]
                } else {
                    vec![String::new()]
                };
                let name = |path| format!("arn:{partition}:iam::{account}:role/{path}{role}");
                Self::Named(paths.into_iter().map(name).collect())
            }
            _ => Self::Unknown,
        }
    }
}

/// The role of a role's session.
pub(super) fn session_role(arn: &str) -> Option<&str> {
    let (_, rest) = arn.split_once(":assumed-role/")?;
    rest.split('/').next()
}

/// How the roles of IAM Identity Center begin.
const SSO: &str = "AWSReservedSSO_";
const SSO_PATH: &str = "aws-reserved/sso.amazonaws.com/";

#[cfg(test)]
mod tests {
    use super::{Principal, session_role};

    fn of(arn: &str) -> Principal {
        Principal::of(arn, "ap-northeast-1")
    }

    fn named(names: &[&str]) -> Principal {
        Principal::Named(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_session_is_asked_about_as_its_role() {
        let session = "arn:aws:sts::123456789012:assumed-role/Operator/me@example.com";
        assert_eq!(of(session), named(&["arn:aws:iam::123456789012:role/Operator"]));
        assert_eq!(session_role(session), Some("Operator"));
        let china = "arn:aws-cn:sts::123456789012:assumed-role/Operator/me";
        assert_eq!(of(china), named(&["arn:aws-cn:iam::123456789012:role/Operator"]));
    }

    #[test]
    fn a_role_of_identity_center_has_a_path_of_its_own() {
        let session = "arn:aws:sts::1:assumed-role/AWSReservedSSO_Dev_0123456789abcdef/me";
        let role = "AWSReservedSSO_Dev_0123456789abcdef";
        let path = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/";
        let names = [format!("{path}ap-northeast-1/{role}"), format!("{path}{role}")];
        assert_eq!(of(session), named(&[&names[0], &names[1]]));
    }

    #[test]
    fn users_and_roles_are_asked_about_as_they_are_and_others_not_at_all() {
        for arn in ["arn:aws:iam::1:user/dev", "arn:aws:iam::1:role/a/path/to/it"] {
            assert_eq!(of(arn), named(&[arn]));
            assert_eq!(session_role(arn), None);
        }
        assert_eq!(of("arn:aws:iam::1:root"), Principal::Root);
        assert_eq!(of("arn:aws:sts::1:federated-user/me"), Principal::Unknown);
        assert_eq!(of("nobody"), Principal::Unknown);
    }
}
