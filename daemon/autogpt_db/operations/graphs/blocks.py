"""The blocks whose executions mean something to the database, by their fixed ids."""

from __future__ import annotations

INPUT_BLOCKS = (
    "c0a8e994-ebf1-4a9c-a4d8-89d09c86741b",  # AgentInputBlock
    "7fcd3bcb-8e1b-4e69-903d-32d3d4a92158",  # AgentShortTextInputBlock
    "90a56ffb-7024-4b2b-ab50-e26c5e5ab8ba",  # AgentLongTextInputBlock
    "96dae2bb-97a2-41c2-bd2f-13a3b5a8ea98",  # AgentNumberInputBlock
    "7e198b09-4994-47db-8b4d-952d98241817",  # AgentDateInputBlock
    "2a1c757e-86cf-4c7e-aacf-060dc382e434",  # AgentTimeInputBlock
    "95ead23f-8283-4654-aef3-10c053b74a31",  # AgentFileInputBlock
    "655d6fdf-a334-421c-b733-520549c07cd1",  # AgentDropdownInputBlock
    "cbf36ab5-df4a-43b6-8a7f-f7ed8652116e",  # AgentToggleInputBlock
    "5603b273-f41e-4020-af7d-fbc9c6a8d928",  # AgentTableInputBlock
    "d3b32f15-6fd7-40e3-be52-e083f51b19a2",  # AgentGoogleDriveFileInputBlock
)
OUTPUT_BLOCKS = ("363ae599-353e-4804-937e-b2ee3cef3da4",)  # AgentOutputBlock
WEBHOOK_BLOCKS = (
    "4435e4e0-df6e-4301-8f35-ad70b12fc9ec",  # TelegramMessageTriggerBlock (v0.6.49)
    "82525328-9368-4966-8f0c-cd78e80181fd",  # TelegramMessageReactionTriggerBlock (v0.6.49)
    "d0180ce6-ccb9-48c7-8256-b39e93e62801",  # AirtableWebhookTriggerBlock
    "d0204ed8-8b81-408d-8b8d-ed087a546228",  # ExaWebsetWebhookBlock
    "6c60ec01-8128-419e-988f-96a063ee2fea",  # GithubPullRequestTriggerBlock
    "551e0a35-100b-49b7-89b8-3031322239b6",  # GithubStarTriggerBlock
    "2052dd1b-74e1-46ac-9c87-c7a0e057b60b",  # GithubReleaseTriggerBlock
    "b2605464-e486-4bf4-aad3-d8a213c8a48a",  # GithubIssuesTriggerBlock
    "87f847b3-d81a-424e-8e89-acadb5c9d52b",  # GithubDiscussionTriggerBlock
    "8a74c2ad-0104-4640-962f-26c6b69e58cd",  # Slant3DOrderWebhookBlock
    "8fa8c167-2002-47ce-aba8-97572fc5d387",  # GenericWebhookTriggerBlock
    "9464a020-ed1d-49e1-990f-7f2ac924a2b7",  # CompassAITriggerBlock
)
AGENT_EXECUTOR_BLOCK = "e189baac-8c20-45a1-94a7-55177ea42565"
"""Runs another graph, which its input names."""
HUMAN_IN_THE_LOOP_BLOCK = "8b2a7b3c-6e9d-4a5f-8c1b-2e3f4a5b6c7d"
SENSITIVE_BLOCKS = (
    "f3b1c1b2-4c4f-4f0d-8d2f-4c4f0d8d2f4c",
    "4335878a-394e-4e67-adf2-919877ff49ae",
    "77456c22-33d8-4fd4-9eef-50b46a35bb48",
    "0d4130f7-e0ab-4d55-adc3-0a40225e80f4",
    "72e4730a-d66d-4785-8e54-5ab3af450c81",
    "2650584d-434f-46db-81ef-26c8d8d41f81",
    "f73007d6-f48f-4aaf-9e6b-6883998a09b4",
    # Agent mail:
    "37c39e83-475d-4b3d-843a-d923d001b85a",
    "9023eb99-3e2f-4def-808b-d9c584b3d9e7",
    "ade970ae-8428-4a7b-9278-b52054dbf535",
    "b6650a0a-b113-40cf-8243-ff20f684f9b8",
    "2b8d57f1-1c9e-470f-a70b-5991c80fad5f",
    "b67469b2-7748-4d81-a223-4ebd332cca89",
    "b9fe53fa-5026-4547-9570-b54ccb487229",
    "b70c7e33-5d66-4f8e-897f-ac73a7bfce82",
    "f371f8cd-682d-4f5f-905c-529c74a8fb35",
    "18cd5f6f-4ff6-45da-8300-25a50ea7fb75",
)
"""Blocks whose actions a user may want to be asked about."""
WEBHOOK_PROVIDERS = {
    "4435e4e0-df6e-4301-8f35-ad70b12fc9ec": "telegram",
    "82525328-9368-4966-8f0c-cd78e80181fd": "telegram",
    "d0180ce6-ccb9-48c7-8256-b39e93e62801": "airtable",
    "d0204ed8-8b81-408d-8b8d-ed087a546228": "exa",
    "6c60ec01-8128-419e-988f-96a063ee2fea": "github",
    "551e0a35-100b-49b7-89b8-3031322239b6": "github",
    "2052dd1b-74e1-46ac-9c87-c7a0e057b60b": "github",
    "b2605464-e486-4bf4-aad3-d8a213c8a48a": "github",
    "87f847b3-d81a-424e-8e89-acadb5c9d52b": "github",
    "8a74c2ad-0104-4640-962f-26c6b69e58cd": "slant3d",
    "8fa8c167-2002-47ce-aba8-97572fc5d387": "generic_webhook",
    "9464a020-ed1d-49e1-990f-7f2ac924a2b7": "compass",
}
"""Who calls each of the webhook blocks."""
