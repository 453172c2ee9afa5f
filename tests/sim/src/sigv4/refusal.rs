//! Why a signature is not taken, in the words of each service.

use crate::api::AwsError;

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Missing,
    Incomplete(String),
    UnknownKey,
    Expired,
    /// Signed too long ago or ahead of time, in AWS's words; `stale` tells the two apart.
    Skewed {
        text: String,
        stale: bool,
    },
    WrongScope(String),
    WrongSignature,
}

impl Refusal {
    /// Each protocol has its own codes; EC2 has its own for everything.
    pub(super) fn in_words_of(self, service: &str) -> AwsError {
        match service {
            "ec2" => self.of_ec2(),
            "iam" | "rds" | "sts" => self.of_query(),
            _ => self.of_json(),
        }
    }

    fn of_query(self) -> AwsError {
        match self {
            Self::Missing => AwsError::status(
                403,
                "MissingAuthenticationToken",
                "Request is missing Authentication Token",
            ),
            Self::Incomplete(text) => AwsError::status(400, "IncompleteSignature", text),
            Self::UnknownKey => AwsError::status(403, "InvalidClientTokenId", INVALID_TOKEN),
            Self::Expired => AwsError::status(403, "ExpiredToken", EXPIRED_TOKEN),
            Self::Skewed { text, .. } | Self::WrongScope(text) => {
                AwsError::status(403, "SignatureDoesNotMatch", text)
            }
            Self::WrongSignature => AwsError::status(403, "SignatureDoesNotMatch", MISMATCH),
        }
    }

    fn of_json(self) -> AwsError {
        match self {
            Self::Missing => {
                AwsError::new("MissingAuthenticationTokenException", "Missing Authentication Token")
            }
            Self::Incomplete(text) => AwsError::new("IncompleteSignatureException", text),
            Self::UnknownKey => AwsError::new("UnrecognizedClientException", INVALID_TOKEN),
            Self::Expired => AwsError::new("ExpiredTokenException", EXPIRED_TOKEN),
            Self::Skewed { text, .. } | Self::WrongScope(text) => {
                AwsError::new("InvalidSignatureException", text)
            }
            Self::WrongSignature => AwsError::new("InvalidSignatureException", MISMATCH),
        }
    }

    fn of_ec2(self) -> AwsError {
        match self {
            Self::Missing => AwsError::new(
                "MissingParameter",
                "The request must contain the parameter AWSAccessKeyId",
            ),
            Self::Incomplete(text) => AwsError::new("IncompleteSignature", text),
            Self::Expired | Self::Skewed { stale: true, .. } => {
                AwsError::new("RequestExpired", "Request has expired.")
            }
            Self::UnknownKey
            | Self::Skewed { stale: false, .. }
            | Self::WrongScope(_)
            | Self::WrongSignature => AwsError::status(
                401,
                "AuthFailure",
                "AWS was not able to validate the provided access credentials",
            ),
        }
    }
}

const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
                        and signing method. Consult the service documentation for details.";
