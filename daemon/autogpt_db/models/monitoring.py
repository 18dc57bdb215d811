"""What executions came to: errors, scores, sums."""

from __future__ import annotations

from typing import Annotated, TypedDict

from autogpt_db.models.marks import Content, Moment


class BlockErrorStats(TypedDict):
    """How often a block was executed, and how often that failed."""

    block_id: str
    total_executions: int
    failed_executions: int


class FrequentlyExecutedGraph(TypedDict):
    """A graph and a user, and how often it has been executed for them lately."""

    graph_id: str
    user_id: str
    execution_count: int


class MarketplaceGraphData(TypedDict):
    """A graph of the marketplace, and how often it has been executed lately."""

    graph_id: str
    user_id: str | None
    execution_count: int


class AccuracyLatestData(TypedDict):
    """A day's score, and the averages up to it."""

    date: str
    daily_score: float | None
    three_day_avg: float | None
    seven_day_avg: float | None
    fourteen_day_avg: float | None


class AccuracyAlertData(TypedDict):
    """A graph whose scores have dropped: the averages of three days and of seven."""

    graph_id: str
    user_id: str | None
    drop_percent: float
    three_day_avg: float
    seven_day_avg: float
    detected_at: Moment


class AccuracyTrendsResponse(TypedDict):
    """How a graph's scores develop, and whether they have dropped."""

    latest_data: AccuracyLatestData
    alert: AccuracyAlertData | None
    historical_data: list[AccuracyLatestData] | None


class UserExecutionSummaryStats(TypedDict):
    """What a user's executions came to in a time range; times in seconds."""

    total_credits_used: float
    total_executions: int
    successful_runs: int
    failed_runs: int
    most_used_agent: Annotated[str, Content()]
    total_execution_time: float
    average_execution_time: float
    cost_breakdown: Annotated[dict[str, float], Content()]
